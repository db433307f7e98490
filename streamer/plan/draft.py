"""Which tables can move: how their columns are stored, and what identifies their rows."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import field, replace

from streamer import limits
from streamer.errors import UsageError
from streamer.frozen import frozen
from streamer.model import (
    Column,
    ColumnPlan,
    Finding,
    KeyKind,
    KeyPlan,
    QualifiedName,
    Secret,
    Severity,
    Table,
)
from streamer.plan.fingerprint import key_digest
from streamer.plan.given_key import with_key
from streamer.plan.hints import EXCLUDE, exclude_columns
from streamer.plan.refusals import refusals_of
from streamer.plan.shape import ShapedTable, is_not_null
from streamer.translate.carried import Carried
from streamer.translate.foreign_keys import numeric_text_columns
from streamer.translate.index_sql import weaker
from streamer.translate.keys import choose_key, key_names, primary_index, unreadable_primary
from streamer.translate.masks import masked
from streamer.translate.names import ROW_COLUMN, collisions
from streamer.translate.types import Mapping as TypeMapping
from streamer.translate.types import Unsupported, map_type


@frozen
class Draft:
    """A table that can move: how its columns are stored, and what identifies its rows.

    `mappings` and `columns` are of the columns that are moved, `mappings` by source name, `columns`
    without those that D1 computes, which are in `computed`. `carried` is what the target gets beside columns and keys, `said`
    what there is to say of it so far. `hash_digest` stands for the key of its hash masks, '' where it
    has none.
    """

    shaped: ShapedTable
    mappings: Mapping[str, TypeMapping]
    columns: tuple[ColumnPlan, ...]
    key: KeyPlan
    computed: tuple[ColumnPlan, ...] = ()
    said: tuple[Finding, ...] = ()
    hash_digest: str = ""
    carried: Carried = field(default_factory=Carried)

    @property
    def table(self) -> Table:
        """The table with the columns that are moved."""
        return self.shaped.table

    @property
    def target(self) -> str:
        """The table's name in the target."""
        return self.shaped.target

    def target_of(self, source: str) -> str:
        """The target's name of a column."""
        return self.shaped.target_of(source)


def make_drafts(
    tables: Sequence[ShapedTable], server_version: int, hash_key: Secret | None = None
) -> tuple[list[Draft], list[Finding]]:
    """The tables that can move, and the refusals of the others.

    `hash_key` is the key of the mask `hash`.

    Raises:
        UsageError: a key that the user gave can't be one.

    """
    same_name = collisions({shaped.table.name: shaped.target for shaped in tables})
    as_text = _numeric_text(tables)
    digest = key_digest(hash_key) if any(map(_hashes, tables)) else ""
    drafts: list[Draft] = []
    refusals: list[Finding] = []
    wrong: list[str] = []
    for shaped in tables:
        mappings, refused = _mappings(shaped, as_text, server_version)
        refused += refusals_of(shaped, same_name.get(shaped.table.name, ()))
        if not refused:
            keyed, problem = with_key(shaped, mappings)
            wrong += [problem] if problem else []
            draft = _draft(keyed, mappings, digest if _hashes(shaped) else "")
            refused = [] if problem else _too_wide(draft)
            drafts += [] if refused else [draft]
        refusals += refused
    if wrong:
        raise UsageError("\n".join(wrong))
    return drafts, refusals


def _numeric_text(tables: Sequence[ShapedTable]) -> frozenset[tuple[QualifiedName, str]]:
    """The numeric columns that keys ask to be text, unless the user asked for something else."""
    options = {
        (shaped.table.name, name): column.types.numeric
        for shaped in tables
        for name, column in shaped.columns.items()
    }
    given = {(shaped.table.name, name) for shaped in tables for name in shaped.options.key}
    return numeric_text_columns([shaped.table for shaped in tables], options, given)


def _mappings(
    shaped: ShapedTable, as_text: Collection[tuple[QualifiedName, str]], server_version: int
) -> tuple[dict[str, TypeMapping], list[Finding]]:
    """How each column is stored, and the refusals of those that can't be."""
    mappings: dict[str, TypeMapping] = {}
    refusals: list[Finding] = []
    table = shaped.table
    for column in table.columns:
        wanted = shaped.columns[column.name]
        mapped = map_type(
            column.type,
            wanted.types,
            numeric_text=(table.name, column.name) in as_text,
            server_version=server_version,
        )
        if wanted.mask and isinstance(mapped, TypeMapping):
            mapped = masked(mapped, wanted.mask, column.type, not_null=is_not_null(column))
        if isinstance(mapped, Unsupported):
            hint = mapped.hint or (
                f"{exclude_columns(table.name, column.name)}, or {EXCLUDE[0].lower()}{EXCLUDE[1:]}"
            )
            where = f"{table.name}.{column.name}"
            refusals.append(Finding(Severity.REFUSAL, where, mapped.reason, hint))
        else:
            # By such a collation equal texts may differ in their bytes.
            loose = not column.deterministic
            mappings[column.name] = replace(mapped, family="") if loose else mapped
    return mappings, refusals


def _hashes(shaped: ShapedTable) -> bool:
    return any(column.mask == "hash" for column in shaped.columns.values())


def _draft(shaped: ShapedTable, mappings: Mapping[str, TypeMapping], hash_digest: str) -> Draft:
    table = shaped.table
    said = [
        Finding(Severity.WARNING, f"{table.name}.{name}", mapping.announce)
        for name, mapping in mappings.items()
        if mapping.announce
    ]
    return Draft(
        shaped=shaped,
        mappings=mappings,
        columns=tuple(_column_plan(column, shaped, mappings) for column in table.columns),
        key=choose_key(table, mappings.__getitem__, shaped.target_of, shaped.options.key),
        said=(*shaped.said, *said),
        hash_digest=hash_digest,
    )


def _column_plan(
    column: Column, shaped: ShapedTable, mappings: Mapping[str, TypeMapping]
) -> ColumnPlan:
    wanted, mapping = shaped.columns[column.name], mappings[column.name]
    return ColumnPlan(
        source=column.name,
        target=wanted.target,
        storage=mapping.storage,
        wire=mapping.wire,
        read_sql=mapping.read_sql(wanted.value),
        type_name=column.type.formatted,
        not_null=is_not_null(column),
        exact_sql=mapping.exact and not wanted.made,
        nocase=mapping.nocase,
        note=mapping.note,
        made=wanted.made,
        operators=mapping.operator_schema,
        whole=wanted.whole,
    )


def _too_wide(draft: Draft) -> list[Finding]:
    """The refusal of a table without a key that has no place for its rows' position."""
    if draft.key.kind is not KeyKind.PHYSICAL or len(draft.columns) < limits.COLUMNS:
        return []
    name = draft.table.name
    what = (
        f"has {len(draft.columns)} columns and no key to read by; "
        f"such a table may have {limits.COLUMNS - 1}"
    )
    hint = f"{exclude_columns(name)} leaves one out, `key` in its table's settings names a key"
    return [Finding(Severity.REFUSAL, str(name), what, hint)]


def hides_key(draft: Draft) -> bool:
    """Whether the key, as PostgreSQL has it, must not be written into the target."""
    return any(draft.shaped.columns[name].made for name in draft.key.columns)


def about_key(draft: Draft) -> list[Finding]:
    """What to say of a table's key: how rows are read where not by it, and what it lets in in D1."""
    table, said = draft.table, list[str]()
    reason = unreadable_primary(table, draft.mappings.__getitem__)
    if draft.key.kind is KeyKind.PHYSICAL:
        why = reason or "it has no primary key, and no unique index over NOT NULL columns"
        said.append(
            f"{why}: rows are read by their physical position, in one snapshot;"
            " --if-exists upsert is refused, an interrupted load of it may start over"
        )
        if draft.key.rowid == ROW_COLUMN:
            said.append(
                f"a column {ROW_COLUMN} is added, because its columns hide SQLite's row number"
            )
    elif reason:
        said.append(f"{reason}: rows are read by the unique index {draft.key.name}")
    if (primary := primary_index(table)) is not None:
        told = (weaker(draft.mappings[name], name) for name in key_names(primary))
        said += [f"{primary.name}: {what}" for what in told if what]
    return [Finding(Severity.WARNING, str(table.name), what) for what in said]
