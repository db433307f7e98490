"""Why tables can't move whatever their types, and what to do about it."""

from __future__ import annotations

from collections.abc import Sequence

from streamer import limits
from streamer.model import Finding, QualifiedName, Severity
from streamer.plan.hints import EXCLUDE, exclude_columns, rename
from streamer.plan.shape import ShapedTable
from streamer.translate.names import column_name_problem, name_problem, quote, shared


def refusals_of(shaped: ShapedTable, same_name: Sequence[QualifiedName]) -> list[Finding]:
    """The refusals of one table; `same_name` are others that the target takes for it."""
    name = shaped.table.name
    found = [*_of_columns(shaped), *_of_name(shaped, same_name)]
    if not shaped.table.readable:
        found.append(("can't be read: the role has no SELECT privilege on it", EXCLUDE))
    if shaped.table.rows_hidden:
        what = "can't be read whole: row-level security applies to the role that reads"
        hint = "Use a role with BYPASSRLS or the table's owner, or exclude the table"
        found.append((what, hint))
    if not shaped.table.populated:
        hint = f"REFRESH MATERIALIZED VIEW {name} in the source fills it"
        found.append(("can't be read: it was never filled with its rows", hint))
    return [Finding(Severity.REFUSAL, str(name), what, hint) for what, hint in found]


def _of_columns(shaped: ShapedTable) -> list[tuple[str, str]]:
    name, columns = shaped.table.name, shaped.columns
    if not columns:
        return [("has no columns", EXCLUDE)]
    found: list[tuple[str, str]] = []
    if len(columns) > limits.COLUMNS:
        what = f"has {len(columns)} columns, D1 allows {limits.COLUMNS}"
        hint = f"{exclude_columns(name)} leaves one out (repeatable), views with a `key` take some each"
        found.append((what, hint))
    for source, column in columns.items():
        if problem := column_name_problem(column.target):
            hint = f"{rename(name, source)} gives the column another name"
            found.append((f"has a column that {problem}", hint))
    for same in shared(column.target for column in columns.values()):
        last = [source for source, column in columns.items() if column.target in same][-1]
        what = "has columns that are one when case is ignored: "
        hint = f"{rename(name, last)} gives one of them another name"
        found.append((what + ", ".join(map(quote, same)), hint))
    return found


def _of_name(shaped: ShapedTable, same_name: Sequence[QualifiedName]) -> list[tuple[str, str]]:
    hint = f"{rename(shaped.table.name)} gives it another name"
    if problem := name_problem(shaped.target):
        return [(problem, hint)]
    if not same_name:
        return []
    others = ", ".join(map(str, same_name))
    what = f"would be called {shaped.target}, and so would {others} (D1 ignores the case of names)"
    return [(what, hint)]
