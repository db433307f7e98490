"""Makes a CREATE TABLE fit into a statement of D1, by what the table can best do without."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from streamer import limits
from streamer.model import Finding, ForeignKey, ForeignKeyPlan, Severity
from streamer.plan.draft import Draft
from streamer.translate.ddl import TableColumn, TableShape, create_table
from streamer.translate.indexes import REPEATABLE_BYTES

_ROOM = limits.STATEMENT_BYTES - REPEATABLE_BYTES
_TOO_LONG = f"is left out: CREATE TABLE would be longer than D1's {limits.STATEMENT_BYTES:,} bytes"


def fitted(
    draft: Draft, shape: TableShape, foreign_keys: Sequence[tuple[ForeignKey, ForeignKeyPlan]]
) -> tuple[TableShape, list[Finding]]:
    """`shape` less as little as makes it fit: comments first, then CHECKs, then defaults."""
    said: list[Finding] = []
    for smaller, findings in _ever_smaller(draft, shape):
        said += findings
        shape = smaller
        if len(create_table(draft.target, shape, foreign_keys).encode()) <= _ROOM:
            break
    return shape, said


def _ever_smaller(draft: Draft, shape: TableShape) -> Iterator[tuple[TableShape, list[Finding]]]:
    """`shape`, then `shape` with one thing less each time, the longest first."""
    yield shape, []
    if shape.comment or any(column.comment for column in shape.columns):
        bare = tuple(replace(column, comment="") for column in shape.columns)
        shape = replace(shape, columns=bare, comment="")
        yield shape, [_finding(draft, "", "its comments are left out")]
    for check in sorted(shape.checks, key=lambda check: -len(check[1])):
        shape = replace(shape, checks=tuple(c for c in shape.checks if c != check))
        where = next((c.object for c in draft.carried.checks if (c.name, c.condition) == check), "")
        yield shape, [Finding(Severity.WARNING, where, f"the CHECK {check[0]} {_TOO_LONG}")]
    for column in sorted(shape.columns, key=lambda c: -len(c.check) - len(c.default)):
        if column.check or column.default:
            less = replace(column, check="", default="")
            shape = replace(shape, columns=_with(shape.columns, column, less))
            source = next(
                c.name for c in draft.table.columns if draft.target_of(c.name) == column.name
            )
            yield shape, [_finding(draft, source, f"what restricts or fills it {_TOO_LONG}")]


def _with(
    columns: tuple[TableColumn, ...], old: TableColumn, new: TableColumn
) -> tuple[TableColumn, ...]:
    return tuple(new if column == old else column for column in columns)


def _finding(draft: Draft, column: str, what: str) -> Finding:
    where = f"{draft.table.name}.{column}" if column else str(draft.table.name)
    return Finding(Severity.WARNING, where, what)
