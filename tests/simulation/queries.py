"""The SELECTs that `streamer.postgres` makes, evaluated: no more SQL than these use.

What isn't understood is an error: a reader that asks differently must not get a wrong answer.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

import orjson

from tests.simulation.rows import Postgres, Stored, Version

_SELECT = re.compile(
    r"SELECT (?P<outputs>.*?) FROM (?:ONLY )?(?P<table>\"[^\"]+\"\.\"[^\"]+\") AS t"
    r"(?: WHERE (?P<where>.*?))?(?: ORDER BY (?P<order>.*?))?(?: LIMIT (?P<limit>\d+))?",
    re.DOTALL,
)
_FOUND_FIRST = re.compile(
    r'WITH found AS MATERIALIZED \(SELECT (.*?), ((?:t\."\w+" AS o\d+(?:, )?)+) (FROM .*)\) '
    r"SELECT (?:c\d+(?:, )?)+ FROM found ORDER BY (?:o\d+(?:, )?)+",
    re.DOTALL,
)
_COLUMN = re.compile(r't\."([^"]+)"')
_VALUE = r"(?:\$\d+|E?'(?:[^']|'')*')::text::\w+"
_BEHIND = re.compile(rf'\(?((?:t\."\w+"(?:, )?)+)\)? > \(?((?:{_VALUE}(?:, )?)+)\)?')
_WANTED = re.compile(
    r'\(((?:t\."\w+"(?:, )?)+)\) IN \(SELECT .* FROM unnest\(.*\) AS wanted \(.*\)\)'
)
_ARRAY = re.compile(r"pg_catalog\.json_build_array\((.*)\)::text", re.DOTALL)
_POSITION = "t.ctid::text::point"

Row = tuple[Any, ...]
_Test = Callable[[Version], bool]


class NotUnderstoodError(AssertionError):
    """SQL that the model has no answer for."""


def rows_of(sql: str, parameters: Sequence[Any], server: Postgres, snapshot: int) -> list[Row]:
    """The records that `sql` selects, in its order."""
    if first := _FOUND_FIRST.fullmatch(sql):
        order = re.sub(r" AS o\d+", "", first[2])
        sql = f"SELECT {first[1]} {first[3]} ORDER BY {order}"
    found = _SELECT.fullmatch(sql.strip())
    if found is None:
        raise NotUnderstoodError(sql)
    schema, name = found["table"].replace('"', "").split(".")
    stored = server.tables[f"{schema}.{name}"]
    tests = [_test(part, parameters, stored) for part in _parts(found["where"] or "", " AND ")]
    versions = [v for v in stored.at(snapshot) if all(test(v) for test in tests)]
    outputs, names = _outputs(found["outputs"])
    if found["order"]:
        versions.sort(key=_order(found["order"], outputs, names))
    if found["outputs"].startswith("count(*)"):
        return [_counted(found["outputs"], versions, parameters)]
    versions = versions[: int(found["limit"])] if found["limit"] else versions
    return [tuple(output(version) for output in outputs) for version in versions]


def _outputs(text: str) -> tuple[list[Callable[[Version], Any]], list[str]]:
    if text.startswith("count(*)"):
        return [], []
    parts = re.findall(r"(.+?) AS (\"?\w+\"?)(?:, |$)", text, re.DOTALL)
    return [_output(expression) for expression, _ in parts], [n.strip('"') for _, n in parts]


def _output(expression: str) -> Callable[[Version], Any]:
    if expression.startswith("0::bigint"):
        names = _COLUMN.findall(expression)
        return lambda v: sum(len(_text(v.cells[name]) or "") for name in names)
    if printed := _ARRAY.fullmatch(expression):
        cells = [_output(cell.strip(", ")) for cell in _parts(printed[1], ", ")]
        return lambda v: orjson.dumps([cell(v) for cell in cells]).decode()
    if _POSITION in expression:
        base = re.match(r"\((\d+)::bigint", expression)
        assert base is not None
        return lambda v: str(int(base[1]) | v.place[0] << 16 | v.place[1])
    column = re.fullmatch(r'\(?t\."(\w+)"(?:::text)?\)?', expression)
    if column is None:
        raise NotUnderstoodError(expression)
    return lambda v: _text(v.cells[column[1]])


def _order(
    text: str, outputs: list[Callable[[Version], Any]], names: list[str]
) -> Callable[[Version], Any]:
    """PostgreSQL's rule: a bare name is an output's before it is a column's."""
    keys: list[Callable[[Version], Any]] = []
    for part in text.split(", "):
        name = part.strip().replace('"', "")
        if name.startswith("t."):
            keys.append(lambda v, name=name: _sortable(v.cells[name[2:]]))
        elif name in names:
            keys.append(outputs[names.index(name)])
        else:
            keys.append(lambda v, name=name: _sortable(v.cells[name]))
    return lambda v: tuple(key(v) for key in keys)


def _test(text: str, parameters: Sequence[Any], stored: Stored) -> _Test:
    if text.startswith("t.ctid > $1"):
        after = _tid(parameters[0])
        return lambda v: v.place > after
    if upto := re.fullmatch(r"t\.ctid <= '(\(\d+,\d+\))'::tid", text):
        last = _tid(upto[1])
        return lambda v: v.place <= last
    if text.endswith(" IS NOT NULL)"):
        names = _COLUMN.findall(text)
        return lambda v: any(v.cells[name] is not None for name in names)
    if found := _BEHIND.fullmatch(text):
        names, values = _COLUMN.findall(found[1]), re.findall(_VALUE, found[2])
        bound = tuple(
            _like(stored, n, _bound(value, parameters))
            for n, value in zip(names, values, strict=True)
        )
        return lambda v: tuple(_sortable(v.cells[name]) for name in names) > bound
    if found := _WANTED.fullmatch(text):
        names = _COLUMN.findall(found[1])
        wanted = set(zip(*parameters, strict=True))
        return lambda v: tuple(_text(v.cells[name]) for name in names) in wanted
    raise NotUnderstoodError(text)


def _counted(outputs: str, versions: list[Version], parameters: Sequence[Any]) -> Row:
    """All rows; where it asks for rows that are younger than a transaction, those too."""
    if "t.xmin" not in outputs:
        return (len(versions),)
    return len(versions), sum(v.made >= int(parameters[0]) for v in versions)


def _parts(text: str, separator: str) -> list[str]:
    """`text` cut at separators outside of brackets."""
    parts, depth, start = [], 0, 0
    for at, letter in enumerate(text):
        depth += (letter == "(") - (letter == ")")
        if depth == 0 and text.startswith(separator, at):
            parts.append(text[start:at])
            start = at + len(separator)
    return [part for part in [*parts, text[start:]] if part.strip()]


def _text(cell: int | str | None) -> str | None:
    return None if cell is None else str(cell)


def _sortable(cell: int | str | None) -> Any:
    assert cell is not None, "a key is never NULL"
    return cell.encode() if isinstance(cell, str) else cell


def _like(stored: Stored, name: str, text: str) -> Any:
    """A parameter's text as a value of the column's type."""
    is_text = stored.table.column(name).type.name == "text"
    return text.encode() if is_text else int(text)


def _bound(value: str, parameters: Sequence[Any]) -> str:
    """What `$1::text::type`, `'text'::text::type` or `E'text'::text::type` stands for."""
    if value.startswith("$"):
        return str(parameters[int(value[1:].partition("::")[0]) - 1])
    begin, _, text = value.rpartition("'::text::")[0].partition("'")
    text = text.replace("''", "'")
    return text.replace("\\\\", "\\") if begin == "E" else text


def _tid(text: str) -> tuple[int, int]:
    block, offset = text.strip("()").split(",")
    return int(block), int(offset)
