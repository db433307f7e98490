"""Doubles that survive engines which read decimal text inexactly.

Some releases of SQLite turn decimal texts into a neighbour of the nearest double: of random
doubles over the full range 17 % in 3.47, a few in 3.40, none in 3.54, and in all of them none
between 1e-20 and 1e20 (40,000 tried of each, 2026-11-22). Where the engine is one of those, a double
outside that range travels as integer mantissa and exponent: `m * pow(2, e)` is exact everywhere.
"""

from __future__ import annotations

import math

import orjson

from streamer.model import Result, Statement

# Each is read wrongly by SQLite 3.47, the first four by 3.40 too.
HARD_DOUBLES = (
    "-2.603035253442309e-303",
    "8.507476961959075e-301",
    "-4.5818408903237864e-299",
    "3.008285471666108e-299",
    "-1.989032661366619e+244",
    "-1.5624204901097633e+247",
    "-1.7704277708033753e-116",
    "1.666424240154838e+220",
    "-1.3528728127676757e-189",
    "1.4165271586954044e-159",
    "-8.011865249801105e+273",
    "-3.870048249555065e+242",
    "1.7958033698619585e-262",
    "-3.802147667934094e+264",
    "2.689019560942343e-179",
    "4.3243317544185364e-251",
    "8.953656127892749e-126",
    "-2.0268662570309825e+260",
    "-1.8076483976640488e+304",
    "1.0863649104037028e-237",
    "2.52846438850891e-277",
    "-2.3045650746311152e-257",
    "-4.327086682612799e+224",
    "-1.6411566063675564e+184",
)

_SAFE_LEAST, _SAFE_MOST = 1e-20, 1e20
_MANTISSA_BITS = 53
_LEAST_EXPONENT = -1074


def hard_doubles_probe() -> Statement:
    """A statement that reads each hard double as text and compares it with its exact value.

    It answers one row: how many came out exactly, and how many there were.
    """
    doubles = [[text, *map(str, mantissa_exponent(float(text)))] for text in HARD_DOUBLES]
    return Statement.of(
        "SELECT sum(CAST(value->>0 AS REAL) = CAST(value->>1 AS INTEGER) * pow(2, value->>2)), "
        "count(*) FROM json_each(?1)",
        orjson.dumps(doubles).decode(),
    )


def probe_is_exact(result: Result) -> bool:
    """Whether the engine that gave this answer to `hard_doubles_probe` reads decimal text exactly."""
    return result.rows == ((len(HARD_DOUBLES), len(HARD_DOUBLES)),)


def mantissa_exponent(value: float) -> tuple[int, int]:
    """Integers m, e with m * 2**e == value, |m| < 2**53 and 2**e a double; `value` is finite."""
    fraction, exponent = math.frexp(value)
    mantissa, exponent = int(fraction * 2**_MANTISSA_BITS), exponent - _MANTISSA_BITS
    while exponent < _LEAST_EXPONENT:
        mantissa, exponent = mantissa // 2, exponent + 1
    return mantissa, exponent


def exact_cell(text: str | None) -> str | None:
    """A REAL column's cell for an engine that is inexact: `[m,e]` where the text is unsafe.

    NULL, NaN and the infinities, and what lies in the safe range stay as they are.
    """
    if text is None:
        return None
    try:
        value = float(text)
    except ValueError:
        return text
    if value == 0 or not math.isfinite(value) or _SAFE_LEAST <= abs(value) <= _SAFE_MOST:
        return text
    mantissa, exponent = mantissa_exponent(value)
    return f"[{mantissa},{exponent}]"


def decimal_text(cell: str) -> str:
    """What `exact_cell` was made of, or a text that is read as the same double."""
    if not cell.startswith("["):
        return cell
    mantissa, exponent = orjson.loads(cell)
    return repr(math.ldexp(mantissa, exponent))


def exact_sql(cell: str) -> str:
    """The SQL that stores what `exact_cell` made, where `cell` is the SQL of the cell's text."""
    return f"CASE substr({cell},1,1) WHEN '[' THEN ({cell}->>0)*pow(2,{cell}->>1) ELSE {cell} END"
