"""Dates and times as text: texts that sort as the times do, for every value PostgreSQL knows.

Years 1 to 9999 sort as their text. Besides these there are '-infinity', years before Christ
('0044-03-15 BC', at most four digits), years of five or six digits, and 'infinity'.
"""

from __future__ import annotations

from streamer.translate.expressions.values import Value

_LONG_YEAR = "'[0-9][0-9][0-9][0-9][0-9]*'"


def sortable(value: Value, against: Value) -> str:
    """The text of `value` as it sorts against that of `against`; both of one type.

    '-infinity' < '/' (years before Christ) < digits < ':' (long years) < 'infinity'.
    """
    if value.constant is not None:
        return value.sql
    text = value.part
    if against.constant is not None:
        before, after = "'/'", "':'"
    else:
        # Of two years before Christ the one with the smaller number is the later one.
        before = f"'/' || (19999 - substr({text}, 1, 4)) || substr({text}, 5)"
        after = f"':' || instr({text}, '-') || {text}"
    return (
        f"CASE WHEN {text} GLOB '*BC' THEN {before}"
        f" WHEN {text} GLOB {_LONG_YEAR} THEN {after} ELSE {text} END"
    )
