"""One table's plan: its DDL, indexes, and how its rows get in."""

from __future__ import annotations

from streamer.model import (
    Clause,
    IndexTiming,
    KeyKind,
    Loading,
    Shaping,
    TablePlan,
)
from streamer.plan.draft import Draft, about_key, hides_key
from streamer.plan.estimate import average_row_bytes
from streamer.plan.fingerprint import fingerprint
from streamer.plan.fitting import fitted
from streamer.plan.links import Place, deferred_columns
from streamer.plan.shape import is_not_null
from streamer.translate.ddl import (
    TableColumn,
    TableShape,
    create_table,
    generated_clause,
    table_check,
)
from streamer.translate.defaults import set_defaults
from streamer.translate.indexes import Needed, plan_indexes
from streamer.translate.keys import key_names, primary_index
from streamer.translate.losses import losses
from streamer.translate.names import ROW_COLUMN

WITHOUT_ROWID_BYTES = 200  # sqlite.org/withoutrowid.html: about 1/20 of a page of 4,096


def table_plan(
    draft: Draft, place: Place, timing: IndexTiming, taken: set[str], shaping: Shaping
) -> TablePlan:
    """The plan of one table, with what there is to say about it.

    `taken` holds the folded names of the target's tables, views and indexes so far, and takes up
    the new indexes' names.
    """
    table, target = draft.table, draft.target
    deferred = deferred_columns(draft, place.cut)
    staged = place.cycle >= 0
    needed = Needed(
        unique=place.referred,
        plain=tuple((kept.source.name, kept.source.columns) for kept in place.same_cycle),
    )
    indexes, about_indexes = plan_indexes(
        table,
        target,
        draft.carried,
        draft.key,
        needed,
        timing=timing,
        taken=taken,
        target_of=draft.target_of,
    )
    whole = table_shape(draft, shaping)
    shape, dropped = fitted(draft, whole, [(kept.source, kept.plan) for kept in place.keys])
    # Of the target, so that nobody but the owner of the table can mean the same one: oids repeat.
    stage = f"_streamer_stage_{target}" if staged else ""
    return TablePlan(
        table=table,
        target=target,
        columns=draft.columns,
        key=draft.key,
        create_sql=create_table(target, shape, [(kept.source, kept.plan) for kept in place.keys]),
        indexes=tuple(indexes),
        foreign_keys=tuple(kept.plan for kept in place.keys),
        parents=place.parents,
        without_rowid=shape.without_rowid,
        fingerprint=fingerprint(draft),
        loading=Loading.STAGED if staged else Loading.TWO_PASS if deferred else Loading.DIRECT,
        deferred=deferred,
        stage=stage,
        stage_sql=create_table(stage, stage_shape(draft, shape)) if staged else "",
        cycle=place.cycle,
        where=draft.shaped.where,
        transform=draft.shaped.transform,
        hides_key=hides_key(draft),
        computed=draft.computed,
        after_sql=draft.carried.numbering.after_sql,
        said=(
            *draft.said,
            *about_key(draft),
            *dropped,
            *about_indexes,
            *set_defaults(table, draft.carried.defaults, (kept.source for kept in place.keys)),
            *losses(table),
        ),
        clauses=_clauses(draft, shape),
    )


def table_shape(draft: Draft, shaping: Shaping) -> TableShape:
    """The table with all its columns and its primary key, if that has one."""
    table, key = draft.table, draft.key
    index = primary_index(table)
    primary = tuple(draft.target_of(n) for n in key_names(index)) if index else ()
    checks = draft.carried.checks
    physical = key.kind is KeyKind.PHYSICAL
    alias = bool(draft.carried.alias)
    return TableShape(
        columns=_columns(draft, shaping),
        # Where the rowid is taken, a primary key of one INTEGER column would be the rowid.
        primary=() if physical else primary,
        alias=alias,
        unique=(primary,) if physical and primary else (),
        without_rowid=key.kind is KeyKind.PRIMARY and not alias and _keyed_alone(draft, shaping),
        row_column=physical and key.rowid == ROW_COLUMN,
        autoincrement=draft.carried.numbering.autoincrement,
        strict=shaping.strict,
        checks=tuple((check.name, check.condition) for check in checks if not check.column),
        comment=table.comment if shaping.comments else "",
    )


def stage_shape(draft: Draft, shape: TableShape) -> TableShape:
    """The columns that are written, with the key alone."""
    unique = (draft.key.targets,) if draft.key.kind is KeyKind.UNIQUE else ()
    primary = shape.primary if draft.key.kind is KeyKind.PRIMARY else ()
    return TableShape(
        columns=tuple(
            TableColumn(c.target, c.storage, not_null=c.not_null, nocase=c.nocase)
            for c in draft.columns
        ),
        primary=primary,
        alias=shape.alias and bool(primary),
        unique=unique,
        without_rowid=shape.without_rowid,
        row_column=shape.row_column,
        strict=shape.strict,
    )


def _keyed_alone(draft: Draft, shaping: Shaping) -> bool:
    """Whether the table is to be its primary key's index, without row numbers."""
    match draft.shaped.options.without_rowid or shaping.without_rowid:
        case "always":
            return True
        case "never":
            return False
        case "auto":
            size = average_row_bytes(draft.table)
            return size is not None and size < WITHOUT_ROWID_BYTES


def _columns(draft: Draft, shaping: Shaping) -> tuple[TableColumn, ...]:
    carried = draft.carried
    checks = {check.column: check.condition for check in carried.checks if check.column}
    return tuple(
        TableColumn(
            name=target,
            storage=mapping.storage,
            not_null=is_not_null(column),
            nocase=mapping.nocase,
            default=carried.defaults.get(column.name, ""),
            check=checks.get(target, ""),
            generated=carried.generated.get(column.name, ""),
            virtual=column.generated == "v",
            comment=column.comment if shaping.comments else "",
        )
        for column in draft.table.columns
        for target, mapping in ((draft.target_of(column.name), draft.mappings[column.name]),)
    )


def _clauses(draft: Draft, shape: TableShape) -> tuple[Clause, ...]:
    """What could be left out of the table, named as findings name it."""
    sources = {draft.target_of(column.name): column.name for column in draft.table.columns}
    clauses: list[Clause] = []
    for column in shape.columns:
        where = f"{draft.table.name}.{sources[column.name]}"
        if column.default:
            clauses.append(Clause(where, column.name, f"DEFAULT {column.default}"))
        if column.check:
            clauses.append(Clause(where, column.name, f"CHECK ({column.check})"))
        if column.generated:
            sql = generated_clause(column.generated, virtual=column.virtual)
            clauses.append(Clause(where, column.name, sql))
    kept = set(shape.checks)
    clauses += [
        Clause(check.object, "", table_check(check.name, check.condition))
        for check in draft.carried.checks
        if not check.column and (check.name, check.condition) in kept
    ]
    return tuple(clauses)
