"""Dates, times and intervals; timestamps have a module of their own."""

from __future__ import annotations

from dataclasses import replace

from streamer.model import PgType, Storage
from streamer.translate.types import timestamps
from streamer.translate.types.asked import Asked, Maker, always, text
from streamer.translate.types.mapping import Counted, Mapping
from streamer.translate.types.timestamps import ODD_TEXT, odd

_ODD_DATES = (
    "years BC or from 10000 on in {rows} of the rows: D1's date functions give NULL for them"
)
_INFINITE_DATES = "infinity in {rows} of the rows has no number"


def _date(_kind: PgType, asked: Asked) -> Mapping:
    if asked.options.dates == "text":
        told = Counted(odd("date"), ODD_TEXT, ranges=True)
        return replace(text("date", "YYYY-MM-DD"), counted=(told,))
    days = "({c} - '1970-01-01'::date)"
    number = days if asked.options.dates == "days" else f"({days}::bigint * 86400)"
    return Mapping(
        Storage.INTEGER,
        f"CASE WHEN isfinite({{c}}) THEN {number}::text ELSE {{c}}::text END",
        f"date {asked.options.dates}",
        note=f"{asked.options.dates} since 1970-01-01",
        counted=(
            Counted(f"isfinite({{c}}) AND {odd('date')}", _ODD_DATES),
            Counted(
                "NOT isfinite({c})",
                _INFINITE_DATES,
                'Move the column with dates = "text"',
                refuses=True,
            ),
        ),
    )


def _interval(_kind: PgType, asked: Asked) -> Mapping:
    match asked.options.intervals:
        case "iso":
            return text("", "ISO 8601")
        case "postgres":
            return text("", "PostgreSQL's text", _POSTGRES_INTERVAL)
        case "seconds":
            return Mapping(
                Storage.REAL,
                "extract(epoch FROM {c})::float8::text",
                "",
                distinct=False,
                note="seconds; a month has 30 days, a year 365.25",
                counted=(Counted(_INEXACT_SECONDS, _LOST_INTERVAL, _KEEP_INTERVAL),),
            )


_LOST_INTERVAL = (
    "intervals in {rows} of the rows aren't exactly their seconds: they have years, months or days,"
    " or more digits than a double"
)
_KEEP_INTERVAL = 'intervals = "iso" keeps them'
# 2^53 microseconds are as many as a double holds one by one.
_INEXACT_SECONDS = (
    "(NOT isfinite({c}) OR abs(extract(epoch FROM {c})) > 9007199254"
    " OR extract(year FROM {c}) <> 0 OR extract(month FROM {c}) <> 0"
    " OR extract(day FROM {c}) <> 0)"
)

# The session prints ISO 8601, so IntervalStyle=postgres is rebuilt from the parts: EncodeInterval()
# in src/backend/utils/adt/datetime.c of PostgreSQL 18. A part after a negative one has its sign.
_POSTGRES_INTERVAL = """CASE WHEN isfinite({c}) THEN (SELECT concat_ws(' ',
 CASE WHEN p.y <> 0 THEN p.y || CASE WHEN p.y = 1 THEN ' year' ELSE ' years' END END,
 CASE WHEN p.o <> 0 THEN CASE WHEN p.y < 0 AND p.o > 0 THEN '+' ELSE '' END
  || p.o || CASE WHEN p.o = 1 THEN ' mon' ELSE ' mons' END END,
 CASE WHEN p.d <> 0 THEN CASE WHEN p.d > 0 AND (p.o < 0 OR p.o = 0 AND p.y < 0) THEN '+' ELSE '' END
  || p.d || CASE WHEN p.d = 1 THEN ' day' ELSE ' days' END END,
 CASE WHEN p.h <> 0 OR p.m <> 0 OR p.u <> 0 OR (p.y = 0 AND p.o = 0 AND p.d = 0) THEN
  CASE WHEN p.h < 0 OR p.m < 0 OR p.u < 0 THEN '-'
   WHEN p.d < 0 OR p.d = 0 AND (p.o < 0 OR p.o = 0 AND p.y < 0) THEN '+' ELSE '' END
  || CASE WHEN abs(p.h) < 10 THEN '0' ELSE '' END || abs(p.h) || ':' || lpad(abs(p.m)::text, 2, '0')
  || ':' || lpad((abs(p.u) / 1000000)::text, 2, '0') || CASE WHEN p.u % 1000000 = 0 THEN '' ELSE
   '.' || rtrim(lpad((abs(p.u) % 1000000)::text, 6, '0'), '0') END END)
 FROM (SELECT extract(year FROM {c})::bigint AS y, extract(month FROM {c})::bigint AS o,
  extract(day FROM {c})::bigint AS d, extract(hour FROM {c})::bigint AS h,
  extract(minute FROM {c})::bigint AS m, extract(microseconds FROM {c})::bigint AS u) AS p) ELSE {c}::text END""".replace(
    "\n", ""
)

MAKERS: dict[str, Maker] = {
    "date": _date,
    **timestamps.MAKERS,
    "time": always(text("time", "HH:MM:SS[.ffffff]")),
    "timetz": always(text("timetz", "HH:MM:SS[.ffffff]±HH[:MM]")),
    "interval": _interval,
}
"""By the name in pg_catalog."""
