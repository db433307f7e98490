"""What a probe saw, and the plain model of a target that it is read as (pure).

One D1 database runs one query at a time: a request costs the way there and back, which requests
share where several are under way, and the database's own time, which they don't.
"""

from __future__ import annotations

from enum import Enum

from streamer.frozen import frozen
from streamer.model import Speed

_LEAST_PER_BYTE_S = 1e-10  # 10 GB/s: nothing that is sent takes no time at all
_HELD_UP = 1.5  # times what the way alone would have small requests take: they wait for the target


class LimitedBy(Enum):
    """What keeps rows from coming faster, as it is said to people."""

    RATE = "the rate limit"
    TARGET = "the database's own time for each request"
    DISTANCE = "the way there and back"
    SOURCE = "reading rows from PostgreSQL"


@frozen
class Shot:
    """One request that travelled alone: its body, its rows, and how long the answer took."""

    body_bytes: int
    rows: int
    seconds: float


@frozen
class Round:
    """A stretch of time in which as many requests were under way as `concurrency`, from answer to answer.

    `body_bytes` and `rows` are the sums of the `requests` that were answered in these `seconds`.
    """

    concurrency: int
    requests: int
    body_bytes: int
    rows: int
    seconds: float


@frozen
class Measured:
    """All that a probe saw. `round_trip_s` is what an empty query takes; there is at least one shot.

    A request of `refused_bytes` was too much for the target; None: none was. `opening_s` is what it took to
    open the target, until its first answer. A request with one row took `row_s` alone, and `small` is a
    round of such; None where a row is no small request. To look up a row by its key took `lookup_s`, None
    where that wasn't tried. So many rounds as `held_back` are left out: their requests waited for leave to be sent.
    """

    round_trip_s: float
    shots: tuple[Shot, ...]
    rounds: tuple[Round, ...] = ()
    refused_bytes: int | None = None
    opening_s: float = 0.0
    row_s: float | None = None
    small: Round | None = None
    lookup_s: float | None = None
    held_back: int = 0

    @property
    def rows(self) -> int:
        """Rows of all requests whose time counts."""
        return sum(one.rows for one in (*self.shots, *self.rounds))

    @property
    def body_bytes(self) -> int:
        """Bytes of the bodies of all requests whose time counts."""
        return sum(one.body_bytes for one in (*self.shots, *self.rounds))

    @property
    def row_bytes(self) -> float:
        """Bytes of a request's body that a row takes, on average."""
        return self.body_bytes / max(self.rows, 1)

    @property
    def each_s(self) -> float:
        """What the target takes for a request beside its bytes: 0 where the way there hides it."""
        if self.small is None or self.row_s is None:
            return 0.0
        took = min(self.small.seconds / self.small.requests, self.row_s)
        return took if took * self.small.concurrency > _HELD_UP * self.row_s else 0.0

    def _together_byte_s(self, alone_byte_s: float) -> float:
        """What a byte takes beside `each_s`, of several requests at once: so many times less at the best."""
        size = sum(one.body_bytes for one in self.rounds)
        if not size:
            return alone_byte_s
        took = sum(one.seconds - self.each_s * one.requests for one in self.rounds)
        return max(took / size, alone_byte_s / max(one.concurrency for one in self.rounds))

    def speed(self, source_bytes_per_s: float | None = None) -> Speed:
        """The line from the small request through the shots, closest to the big ones (least squares).

        The target digests what it took several at once, or else one by one, `each_s` left out.
        """
        squares = sum(shot.body_bytes**2 for shot in self.shots)
        least_s = max(self.round_trip_s, self.row_s or 0.0)
        above = sum(shot.body_bytes * (shot.seconds - least_s) for shot in self.shots)
        byte_s = max(above / max(squares, 1), _LEAST_PER_BYTE_S)
        return Speed(
            round_trip_s=self.round_trip_s,
            byte_s=byte_s,
            bytes_per_s=1 / self._together_byte_s(byte_s),
            source_bytes_per_s=source_bytes_per_s,
            opening_s=self.opening_s,
            each_s=self.each_s,
            lookup_s=self.lookup_s,
        )
