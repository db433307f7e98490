"""Trouble on request: what the real service does now and then, for rehearsals and tests.

`Faults` is chance by numbers: latency, the API's request limit, random failures. A script of faults
(`POST /__faults`) is for tests that need a certain failure at a certain request.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import cast

import orjson

from streamer.local_d1.errors import malformed


class FaultKind(Enum):
    """What can happen to a request at random; the values are the names of the option."""

    OVERLOAD = "overload"  # 429, "overloaded": not applied
    RESET = "reset"  # "Network connection lost": applied or not
    CPU = "cpu"  # "exceeded its CPU time limit": applied or not
    GATEWAY = "gateway"  # 502 with a page of HTML: not applied
    DROP = "drop"  # the connection breaks before the request is carried out
    LOST = "lost"  # the request is carried out, then the connection breaks


@dataclass(frozen=True, slots=True)
class Faults:
    """How the server misbehaves. By default it doesn't.

    `limit` requests in `window_s` seconds are answered, then nothing for `block_s` seconds. `rate` is
    the share of requests, 0 to 1, that meet one of `kinds`.
    """

    latency_ms: float = 0
    limit: int | None = None
    window_s: float = 300.0
    block_s: float = 300.0
    rate: float = 0.0
    kinds: tuple[FaultKind, ...] = tuple(FaultKind)
    seed: int | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.rate <= 1:
            raise ValueError(f"rate is {self.rate}, must be 0 to 1")
        if self.limit is not None and (self.limit < 1 or self.window_s <= 0):
            raise ValueError(f"{self.limit} requests in {self.window_s} seconds is no limit")
        if self.rate and not self.kinds:
            raise ValueError("a rate of faults needs kinds of faults")


class RequestLimit:
    """The API's limit: so many requests in a window, or a block. Times are seconds of any clock."""

    def __init__(self, requests: int, window_s: float, block_s: float) -> None:
        self._requests = requests
        self._window_s = window_s
        self._block_s = block_s
        self._sent: deque[float] = deque()
        self._blocked_until = float("-inf")

    def wait_s(self, now: float) -> float:
        """Count a request at `now`; how long its sender is blocked, 0 where it may pass."""
        if now < self._blocked_until:
            return self._blocked_until - now
        while self._sent and self._sent[0] <= now - self._window_s:
            self._sent.popleft()
        if len(self._sent) < self._requests:
            self._sent.append(now)
            return 0.0
        self._blocked_until = now + self._block_s
        return self._block_s


@dataclass(frozen=True, slots=True)
class Failure:
    """What a request meets instead of its answer.

    `applied`: the request is carried out first. `drop`: the connection breaks, and nothing else here
    counts. A `body` of its own replaces Cloudflare's envelope.
    """

    status: int = 500
    code: int = 7500
    message: str = "an injected fault"
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    body: str | None = None
    applied: bool = False
    drop: bool = False


@dataclass(frozen=True, slots=True)
class Trouble:
    """A wait, and then a failure or, where that is None, the usual answer."""

    delay_s: float = 0.0
    failure: Failure | None = None


_PAGE = "<html><head><title>502 Bad Gateway</title></head><body>cloudflare</body></html>"
_FAILURES = {
    FaultKind.OVERLOAD: Failure(429, 7500, "D1 DB is overloaded. Too many requests queued."),
    FaultKind.RESET: Failure(500, 7500, "Network connection lost."),
    FaultKind.CPU: Failure(500, 7500, "D1 DB exceeded its CPU time limit and was reset."),
    FaultKind.GATEWAY: Failure(502, body=_PAGE, headers={"Content-Type": "text/html"}),
    FaultKind.DROP: Failure(drop=True),
    FaultKind.LOST: Failure(drop=True, applied=True),
}
_EITHER_WAY = frozenset([FaultKind.RESET, FaultKind.CPU])  # whether applied, is chance


def random_failure(faults: Faults, chance: random.Random) -> Failure | None:
    """The failure that the next request meets, if any."""
    if chance.random() >= faults.rate:
        return None
    kind, applied = chance.choice(faults.kinds), chance.random() < 0.5
    failure = _FAILURES[kind]
    return replace(failure, applied=applied) if kind in _EITHER_WAY else failure


def blocked(wait_s: float) -> Failure:
    """What the API answers to one who sent too much."""
    message = "Please wait and consider throttling your request speed"
    return Failure(429, 971, message, headers={"Retry-After": str(max(1, round(wait_s)))})


@dataclass(slots=True)
class ScriptedFault:
    """One line of a script: which requests it is for, and what they meet.

    It is for those whose path holds `match` and whose body holds `contains`; it passes over the first
    `skip` of them and is used up after `times`.
    """

    match: str
    contains: bytes
    skip: int
    times: int
    trouble: Trouble

    @classmethod
    def from_json(cls, one: Mapping[str, object]) -> ScriptedFault:
        """A line as it was posted; raises ApiError."""
        unknown = set(one) - _FIELDS
        if unknown:
            raise malformed(f"a fault has no {', '.join(sorted(unknown))}")
        status = one.get("status")
        drop = bool(one.get("abort", False))
        failure = None
        if status is not None or drop:
            body = one.get("body")
            headers = cast("dict[str, str]", one.get("headers") or {})
            failure = Failure(
                status=_number(status, 500),
                code=_number(one.get("code"), 7500),
                message=str(one.get("message", "an injected fault")),
                headers=headers,
                body=None if body is None else str(body),
                applied=bool(one.get("after", False)),
                drop=drop,
            )
        return cls(
            match=str(one.get("match", "")),
            contains=str(one.get("contains", "")).encode(),
            skip=_number(one.get("skip"), 0),
            times=_number(one.get("times"), 1),
            trouble=Trouble(_number(one.get("delay_ms"), 0) / 1000, failure),
        )

    @classmethod
    def script(cls, body: bytes) -> list[ScriptedFault]:
        """The lines of a posted script, a JSON array; raises ApiError."""
        try:
            lines: object = orjson.loads(body)
        except orjson.JSONDecodeError:
            raise malformed("a script of faults is a JSON array") from None
        if not isinstance(lines, list):
            raise malformed("a script of faults is a JSON array")
        found = cast("list[object]", lines)
        return [cls.from_json(cast("dict[str, object]", one)) for one in found]

    def meets(self, path: str, body: bytes) -> bool:
        """Whether this request is one of its own; uses it up by one."""
        if self.times <= 0 or self.match not in path or self.contains not in body:
            return False
        if self.skip > 0:
            self.skip -= 1
            return False
        self.times -= 1
        return True


_FIELDS = frozenset(
    [
        "match",
        "contains",
        "skip",
        "times",
        "status",
        "code",
        "message",
        "headers",
        "body",
        "after",
        "delay_ms",
        "abort",
    ]
)


def _number(value: object, default: int) -> int:
    if value is None:
        return default
    if not isinstance(value, int):
        raise malformed(f"{value!r} must be a number")
    return value


class Troublemaker:
    """Decides for each request what it meets: the script first, then the limit, then chance."""

    def __init__(self, faults: Faults) -> None:
        self._faults = faults
        self._chance = random.Random(faults.seed)  # noqa: S311  # a rehearsal must be repeatable
        self._limit = (
            None
            if faults.limit is None
            else RequestLimit(faults.limit, faults.window_s, faults.block_s)
        )
        self.script: list[ScriptedFault] = []

    def next(self, path: str, body: bytes, now: float) -> Trouble:
        """What the request that arrives at `now` (seconds of any clock) meets."""
        for line in self.script:
            if line.meets(path, body):
                return line.trouble
        if self._limit is not None and (wait_s := self._limit.wait_s(now)) > 0:
            return Trouble(0.0, blocked(wait_s))
        return Trouble(self._faults.latency_ms / 1000, random_failure(self._faults, self._chance))
