"""Which of the source's tables a job is about."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase

from streamer.config import Selection
from streamer.errors import UsageError
from streamer.model import Catalog, Finding, QualifiedName, Severity, Table

_SYSTEM = frozenset({"pg_catalog", "information_schema", "pg_toast"})
_ALWAYS = ("public", "*")  # the default, and "all": an empty database is no typing error


def select(catalog: Catalog, selection: Selection) -> tuple[tuple[Table, ...], list[Finding]]:
    """The selected relations, in the catalog's order, and what to say about the selection.

    A pattern `schema.table` reaches every schema; one without a dot stays in `selection.schemas`
    when it includes, and reaches every schema when it excludes.

    Raises:
        UsageError: a pattern of `tables` or `schemas` matches nothing, a table of `exactly` isn't
            there, or nothing is left of what there is.

    """
    tables = [table for table in catalog.tables if table.name.schema not in _SYSTEM]
    if selection.exactly:
        return _exactly(tables, selection.exactly), []
    names = [table.name for table in tables]
    _refuse_unknown(selection, names)
    chosen = tuple(
        table
        for table in tables
        if _included(table.name, selection)
        and not any(_matches(table.name, pattern) for pattern in selection.exclude)
    )
    findings = [
        Finding(
            Severity.WARNING,
            f"--exclude {pattern}",
            "matches no table",
            _nearest(pattern, names),
        )
        for pattern in selection.exclude
        if not any(_matches(name, pattern) for name in names)
    ]
    if names and not chosen:
        schemas = ", ".join(sorted({name.schema for name in names}))
        raise UsageError(
            f"No table is selected; schemas that hold tables: {schemas}.",
            hint="Choose with --schema, --table and --exclude.",
        )
    if not chosen:
        what = "the database holds no table"
        findings.append(Finding(Severity.WARNING, catalog.source.database, what))
    return chosen, findings


def matching(name: QualifiedName, selection: Selection) -> bool:
    """Whether a table is among those that `selection` names; no `tables` mean all."""
    if selection.exactly:
        return name in selection.exactly
    wanted = not selection.tables or any(_matches(name, p) for p in selection.tables)
    return wanted and not any(_matches(name, pattern) for pattern in selection.exclude)


def _exactly(tables: Sequence[Table], names: frozenset[QualifiedName]) -> tuple[Table, ...]:
    if lacking := sorted(names - {table.name for table in tables}):
        raise UsageError("\n".join(f"{name}: no such table." for name in lacking))
    return tuple(table for table in tables if table.name in names)


def _included(name: QualifiedName, selection: Selection) -> bool:
    in_schemas = _in_schemas(name, selection.schemas)
    if not selection.tables:
        return in_schemas
    return any(
        _matches_qualified(name, pattern) or (in_schemas and fnmatchcase(name.name, pattern))
        for pattern in selection.tables
    )


def _in_schemas(name: QualifiedName, schemas: Iterable[str]) -> bool:
    return any(fnmatchcase(name.schema, pattern) for pattern in schemas)


def _matches(name: QualifiedName, pattern: str) -> bool:
    return _matches_qualified(name, pattern) or fnmatchcase(name.name, pattern)


def _matches_qualified(name: QualifiedName, pattern: str) -> bool:
    schema, dot, table = pattern.partition(".")
    return bool(dot) and fnmatchcase(name.schema, schema) and fnmatchcase(name.name, table)


def _refuse_unknown(selection: Selection, names: Sequence[QualifiedName]) -> None:
    problems = [
        f"--schema {pattern}: no such schema with tables."
        for pattern in selection.schemas
        if pattern not in _ALWAYS and not any(fnmatchcase(name.schema, pattern) for name in names)
    ]
    for pattern in selection.tables:
        alone = Selection(tables=(pattern,), schemas=selection.schemas)
        if not any(_included(name, alone) for name in names):
            problems.append(f"--table {pattern}: no such table. {_nearest(pattern, names)}".strip())
    if problems:
        raise UsageError("\n".join(problems), hint="Patterns are globs, `table` or `schema.table`.")


def _nearest(pattern: str, names: Sequence[QualifiedName]) -> str:
    """The names that look most like `pattern`, as a sentence; '' if none does."""
    from difflib import get_close_matches  # noqa: PLC0415 (only for such a message)

    spellings = {str(name).lower(): str(name) for name in names}
    if "." not in pattern:
        spellings |= {name.name.lower(): str(name) for name in names}
    near = get_close_matches(pattern.strip("*").lower(), spellings, n=3, cutoff=0.75)
    return f"Did you mean {' or '.join(dict.fromkeys(spellings[n] for n in near))}?" if near else ""
