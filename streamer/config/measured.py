"""The section `[measured]` of a `streamer.toml`: what `streamer tune` saw, and of which target.

No setting: nothing is done otherwise because of it. `streamer plan` reckons a run's time by it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import field
from typing import cast

from streamer.errors import nearest
from streamer.frozen import frozen
from streamer.model import Speed

SECTION = "measured"
_TEXTS = ("at", "kind", "account", "database", "database_name", "api_base_url")
_NUMBERS = (
    "round_trip_s",
    "request_s_per_mb",
    "target_mb_per_s",
    "source_mb_per_s",
    "opening_s",
    "each_request_s",
    "lookup_us",
)
_NEEDED = frozenset({"kind", "database", *_NUMBERS[:3]})
_MB = 1_000_000
_MOST = 1e15  # seconds, or MB a second: far more than anybody will see
_COMMENT = (
    "# What `streamer tune` saw; `streamer plan` reckons a run's time by it, for this target alone."
)


@frozen
class MeasuredTarget:
    """A `speed`, and of which `target` it is: facts as a checkpoint has them, and `api_base_url`.

    `at` is when that was seen, in UTC.
    """

    speed: Speed
    target: Mapping[str, str] = field(default_factory=dict[str, str])
    at: str = ""


def read_measured(section: object, path: str, problems: list[str]) -> MeasuredTarget | None:
    """What stands in the section, None where that can't be understood."""
    before = len(problems)
    if not isinstance(section, dict):
        problems.append(f"{SECTION} ({path}): is a section; remove it, `streamer tune` writes it")
        return None
    entries = cast("dict[str, object]", section)
    for key, value in entries.items():
        if (problem := _problem(key, value)) is not None:
            problems.append(f"{SECTION}.{key} ({path}): {problem}")
    problems += [
        f"{SECTION}.{key} ({path}): isn't there; have `streamer tune --write-config FILE` write it anew"
        for key in sorted(_NEEDED - entries.keys())
    ]
    if len(problems) > before:
        return None
    return _understood(entries)


def measured_lines(measured: MeasuredTarget) -> list[str]:
    """The section as lines of TOML, its head first."""
    speed = measured.speed
    numbers = {
        "round_trip_s": speed.round_trip_s,
        "request_s_per_mb": speed.byte_s * _MB,
        "target_mb_per_s": speed.bytes_per_s / _MB,
        "source_mb_per_s": (speed.source_bytes_per_s or 0.0) / _MB,
        "opening_s": speed.opening_s,
        "each_request_s": speed.each_s,
        "lookup_us": (speed.lookup_s or 0.0) * _MB,
    }
    texts = {"at": measured.at, **measured.target}
    return [
        f"[{SECTION}]",
        _COMMENT,
        *(f"{key} = {toml_text(texts[key])}" for key in _TEXTS if texts.get(key)),
        *(f"{key} = {_shown(value)}" for key, value in numbers.items() if value),
    ]


def toml_text(text: str) -> str:
    """A text as TOML has it: a JSON string, but for DEL."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007F")


def _shown(value: float) -> str:
    """A positive number in TOML with six digits that count."""
    places = max(1, 6 - math.ceil(math.log10(value)))
    return f"{value:.{places}f}"


def _problem(key: str, value: object) -> str | None:
    if key in _TEXTS:
        return None if isinstance(value, str) else "is a text; `streamer tune` writes it"
    if key in _NUMBERS:
        if isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < _MOST:
            return None
        return "is a number above 0 and below 1e15; `streamer tune` writes it"
    return f"unknown setting{nearest(key, [*_TEXTS, *_NUMBERS])}; correct its name or remove it"


def _understood(entries: Mapping[str, object]) -> MeasuredTarget:
    texts = {key: str(entries[key]) for key in _TEXTS if key in entries}
    numbers = {key: float(str(entries[key])) for key in _NUMBERS if key in entries}
    source, lookup = numbers.get("source_mb_per_s"), numbers.get("lookup_us")
    return MeasuredTarget(
        speed=Speed(
            round_trip_s=numbers["round_trip_s"],
            byte_s=numbers["request_s_per_mb"] / _MB,
            bytes_per_s=numbers["target_mb_per_s"] * _MB,
            source_bytes_per_s=source * _MB if source is not None else None,
            opening_s=numbers.get("opening_s", 0.0),
            each_s=numbers.get("each_request_s", 0.0),
            lookup_s=lookup / _MB if lookup is not None else None,
        ),
        target={key: text for key, text in texts.items() if key != "at"},
        at=texts.get("at", ""),
    )
