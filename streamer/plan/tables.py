"""One table's plan: its DDL, indexes, and how its rows get in."""

from __future__ import annotations

from dataclasses import replace

from streamer.model import ForeignKey, IndexTiming, KeyKind, Loading, TablePlan
from streamer.plan.draft import Draft, about_key, hides_key
from streamer.plan.estimate import average_row_bytes
from streamer.plan.fingerprint import fingerprint
from streamer.plan.links import Place, deferred_columns
from streamer.translate.ddl import TableShape, create_table
from streamer.translate.foreign_keys import Kept
from streamer.translate.indexes import Needed, plan_indexes
from streamer.translate.keys import is_rowid_alias, key_names, primary_index
from streamer.translate.losses import losses
from streamer.translate.names import ROW_COLUMN

WITHOUT_ROWID_BYTES = 200  # sqlite.org/withoutrowid.html: about 1/20 of a page of 4,096


def table_plan(draft: Draft, place: Place, timing: IndexTiming, taken: set[str]) -> TablePlan:
    """The plan of one table, with what there is to say about it.

    `taken` holds the folded names of the target's tables and indexes so far, and takes up the new
    indexes' names.
    """
    table, target = draft.table, draft.target
    deferred = deferred_columns(draft, place.cut)
    staged = place.cycle >= 0
    needed = Needed(
        unique=place.referred,
        plain=tuple((kept.source.name, kept.source.columns) for kept in place.same_cycle),
    )
    indexes, said = plan_indexes(
        table,
        target,
        draft.key,
        needed,
        timing=timing,
        taken=taken,
        target_of=draft.target_of,
    )
    shape = table_shape(draft)
    # Of the target, so that nobody but the owner of the table can mean the same one: oids repeat.
    stage = f"_streamer_stage_{target}" if staged else ""
    return TablePlan(
        table=table,
        target=target,
        columns=draft.columns,
        key=draft.key,
        create_sql=create_table(
            target, shape, [(_in_target(kept), kept.plan.parent) for kept in place.keys]
        ),
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
        said=(*draft.said, *about_key(draft), *said, *losses(table)),
    )


def _in_target(kept: Kept) -> ForeignKey:
    """The foreign key with the target's names of columns."""
    names = kept.plan
    return replace(kept.source, columns=names.columns, parent_columns=names.parent_columns)


def table_shape(draft: Draft) -> TableShape:
    """The table with all its columns and its primary key, if that has one."""
    table, key = draft.table, draft.key
    index = primary_index(table)
    primary = tuple(map(draft.target_of, key_names(index))) if index else ()
    if key.kind is KeyKind.PHYSICAL:
        # The rowid is taken: a primary key of one INTEGER column would be the rowid.
        return TableShape(
            columns=draft.columns,
            primary=(),
            unique=(primary,) if primary else (),
            row_column=key.rowid == ROW_COLUMN,
        )
    alias = is_rowid_alias(table, key, lambda name: draft.mappings[name].storage)
    size = average_row_bytes(table)
    small = size is not None and size < WITHOUT_ROWID_BYTES
    return TableShape(
        columns=draft.columns,
        primary=primary,
        alias=alias,
        without_rowid=small and key.kind is KeyKind.PRIMARY and not alias,
    )


def stage_shape(draft: Draft, shape: TableShape) -> TableShape:
    """The same columns with the key alone."""
    unique = (draft.key.targets,) if draft.key.kind is KeyKind.UNIQUE else ()
    primary = shape.primary if draft.key.kind is KeyKind.PRIMARY else ()
    return TableShape(
        columns=shape.columns,
        primary=primary,
        alias=shape.alias and bool(primary),
        unique=unique,
        without_rowid=shape.without_rowid,
        row_column=shape.row_column,
    )
