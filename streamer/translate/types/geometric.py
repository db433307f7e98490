"""PostgreSQL's own geometric types: point, line, lseg, box, path, polygon, circle.

Their JSON is made of their text, whose numbers are JSON's but for NaN and infinities, which become
strings. So it says all that the text says.
"""

from __future__ import annotations

from streamer.model import PgType
from streamer.translate.types.asked import Asked, Maker, opaque
from streamer.translate.types.mapping import Mapping

_BRACKETS = "translate({c}::text, '()<>{}', '[][][]')"
_SPECIALS = "'(-?Infinity|NaN)', '\"\\1\"', 'g'"

# Of an open path the text is in brackets itself: [(0,0),(1,1)].
_FORMS = {
    "point": ("[x, y]", _BRACKETS),
    "line": ("[A, B, C] of Ax + By + C = 0", _BRACKETS),
    "lseg": ("[[x, y], [x, y]]", _BRACKETS),
    "box": ("[[x, y], [x, y]]", f"'[' || {_BRACKETS} || ']'"),
    "path": (
        '{"open": …, "points": [[x, y], …]}',
        f"'{{\"open\":' || isopen({{c}})::text || ',\"points\":' || {_BRACKETS} || '}}'",
    ),
    "polygon": ("[[x, y], …]", _BRACKETS),
    "circle": ("[[x, y], radius]", _BRACKETS),
}


def _mapping(name: str, choice: str) -> Mapping:
    if choice != "json":
        return opaque("PostgreSQL's text")
    note, sql = _FORMS[name]
    return opaque(f"JSON {note}", f"regexp_replace({sql}, {_SPECIALS})")


def _point(_kind: PgType, asked: Asked) -> Mapping:
    return _mapping("point", asked.options.points)


def _shape(kind: PgType, asked: Asked) -> Mapping:
    return _mapping(kind.name, asked.options.shapes)


SHAPES = frozenset(_FORMS) - {"point"}
"""Those that the option `shapes` is about."""

MAKERS: dict[str, Maker] = {"point": _point, **dict.fromkeys(SHAPES, _shape)}
"""By the name in pg_catalog."""
