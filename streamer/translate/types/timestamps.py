"""Timestamps, with and without time zone.

A timestamp with time zone is an instant: it is printed in UTC. Where a form drops digits, these are
cut off, never rounded: a second before midnight stays on its day.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from streamer.frozen import frozen
from streamer.model import PgType, Storage
from streamer.translate.types.asked import AS_TEXT, Asked, Maker
from streamer.translate.types.mapping import Counted, Mapping

_MICROSECONDS = 6  # digits of a timestamp without a modifier
_KEEP = 'Move the column with timestamps = "exact"'
_ODD_REFUSED = (
    "infinity, years BC or years from 10000 on in {rows} of the rows can't be milliseconds"
)
ODD_TEXT = (
    "infinity, years BC or years from 10000 on in {rows} of the rows: kept as PostgreSQL's text,"
    " for which D1's date functions give NULL and which doesn't sort by time"
)


def odd(kind: str) -> str:
    """SQL, true outside the years 1 to 9999, where infinity is too."""
    return f"({{c}} < {_literal(kind, '0001')} OR {{c}} >= {_literal(kind, '10000')})"


def _literal(kind: str, year: str) -> str:
    zone = "+00" if kind == "timestamptz" else ""
    return f"'{year}-01-01 00:00:00{zone}'::{kind}"


@frozen
class _Kind:
    """`timestamp` or `timestamptz`, and how many digits of a second it has."""

    name: str
    digits: int

    @property
    def zoned(self) -> bool:
        return self.name == "timestamptz"

    @property
    def local(self) -> str:
        """SQL of the value as a timestamp without time zone."""
        return "({c} AT TIME ZONE 'UTC')" if self.zoned else "{c}"

    @property
    def warned(self) -> tuple[Counted, ...]:
        return (Counted(odd(self.name), ODD_TEXT, ranges=True),)

    def note(self, form: str) -> str:
        return f"UTC, {form}" if self.zoned else form


def _exact(kind: _Kind) -> Mapping:
    # The text of an instant has no zone, so it isn't the text of a key.
    return Mapping(
        Storage.TEXT,
        f"{kind.local}::text",
        kind.name,
        exact=not kind.zoned,
        note=kind.note("YYYY-MM-DD HH:MM:SS[.ffffff]"),
        counted=kind.warned,
    )


def _iso(kind: _Kind) -> Mapping:
    end, zone = (" || 'Z'", "Z") if kind.zoned else ("", "")
    return replace(
        _exact(kind),
        template=(
            f"CASE WHEN {odd(kind.name)} THEN {kind.local}::text"
            f" ELSE replace({kind.local}::text, ' ', 'T'){end} END"
        ),
        family=f"{kind.name} iso",
        note=kind.note(f"YYYY-MM-DDTHH:MM:SS[.ffffff]{zone}"),
    )


def _offset(kind: _Kind) -> Mapping:
    if not kind.zoned:
        return _exact(kind)
    return replace(
        _exact(kind),
        template=AS_TEXT,
        family=f"{kind.name} offset",
        exact=True,
        note=kind.note("YYYY-MM-DD HH:MM:SS[.ffffff]+00"),
    )


def _seconds(kind: _Kind) -> Mapping:
    mapped = Mapping(
        Storage.TEXT,
        f"date_trunc('second', {kind.local})::text",
        f"{kind.name} seconds",
        note=kind.note("YYYY-MM-DD HH:MM:SS"),
        counted=kind.warned,
    )
    return _cut(mapped, "second", "a fraction of a second is", lossy=kind.digits > 0)


def _milliseconds(kind: _Kind) -> Mapping:
    era = f"CASE WHEN {{c}} < {_literal(kind.name, '0001')} THEN ' BC' ELSE '' END"
    mapped = Mapping(
        Storage.TEXT,
        f"CASE WHEN isfinite({{c}})"
        f" THEN to_char({kind.local}, 'YYYY-MM-DD HH24:MI:SS.MS') || {era}"
        f" ELSE {kind.local}::text END",
        f"{kind.name} ms",
        note=kind.note("YYYY-MM-DD HH:MM:SS.fff"),
        counted=kind.warned,
    )
    return _cut(mapped, "milliseconds", "microseconds are", lossy=kind.digits > 3)


def _unix_milliseconds(kind: _Kind) -> Mapping:
    # In whole numbers: before PostgreSQL 14 extract() answers with a double.
    whole = f"extract(epoch FROM date_trunc('second', {kind.local}))::bigint * 1000"
    mapped = Mapping(
        Storage.INTEGER,
        f"CASE WHEN isfinite({{c}}) THEN ({whole} + to_char({kind.local}, 'MS')::bigint)::text"
        f" ELSE {kind.local}::text END",
        f"{kind.name} unixms",
        note=kind.note("milliseconds since 1970"),
        counted=(Counted(odd(kind.name), _ODD_REFUSED, _KEEP, refuses=True),),
    )
    return _cut(mapped, "milliseconds", "microseconds are", lossy=kind.digits > 3)


def _cut(mapped: Mapping, unit: str, lost: str, *, lossy: bool) -> Mapping:
    """`mapped`, which cuts off what is smaller than `unit`."""
    if not lossy:
        return mapped
    told = Counted(
        f"{{c}} <> date_trunc('{unit}', {{c}})",
        f"{lost} lost in {{rows}} of the rows: cut off, not rounded",
        _KEEP,
    )
    return replace(mapped, distinct=False, counted=(*mapped.counted, told))


_FORMS: dict[str, Callable[[_Kind], Mapping]] = {
    "exact": _exact,
    "iso": _iso,
    "offset": _offset,
    "seconds": _seconds,
    "ms": _milliseconds,
    "unixms": _unix_milliseconds,
}


def _timestamp(kind: PgType, asked: Asked) -> Mapping:
    digits = kind.modifier if kind.modifier >= 0 else _MICROSECONDS
    return _FORMS[asked.options.timestamps](_Kind(kind.name, digits))


MAKERS: dict[str, Maker] = {"timestamp": _timestamp, "timestamptz": _timestamp}
"""By the name in pg_catalog."""
