"""What each draft carries over beside its rows: defaults, CHECKs, generated columns, indexes."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

from streamer.model import Column, QualifiedName, Shaping
from streamer.plan.draft import Draft
from streamer.plan.shape import is_not_null
from streamer.translate.carried import carry
from streamer.translate.expressions import Operand
from streamer.translate.keys import is_rowid_alias, key_names, primary_index
from streamer.translate.terms import Terms, ordered_alike


def carry_over(
    drafts: Sequence[Draft],
    shaping: Shaping,
    untranslatable: Collection[str],
    encoding: str = "UTF8",
) -> list[Draft]:
    """The drafts with what they carry over; columns that D1 computes aren't written any more.

    `encoding` is the source database's.
    """
    referred = {
        (key.parent, name)
        for draft in drafts
        for key in draft.table.foreign_keys
        for name in key.parent_columns
    }
    return [
        _carried(draft, terms_of(draft, shaping, referred, untranslatable, encoding))
        for draft in drafts
    ]


def _carried(draft: Draft, terms: Terms) -> Draft:
    carried = carry(terms)
    written = tuple(c for c in draft.columns if c.source not in carried.generated)
    if not written:  # an INSERT names at least one column
        terms = replace(terms, fixed_keys={*terms.operands})
        carried, written = carry(terms), draft.columns
    computed = tuple(c for c in draft.columns if c.source in carried.generated)
    return replace(
        draft,
        carried=carried,
        columns=written,
        computed=computed,
        said=(*draft.said, *carried.findings),
    )


def terms_of(
    draft: Draft,
    shaping: Shaping,
    referred: Collection[tuple[QualifiedName, str]],
    untranslatable: Collection[str],
    encoding: str = "UTF8",
) -> Terms:
    """The words that the draft's SQL is translated by."""
    table, options = draft.table, draft.shaped.options
    keys = {*draft.key.columns}
    keys |= {name for index in table.indexes if index.primary for name in index.columns if name}
    keys |= {name for key in table.foreign_keys for name in key.columns}
    keys |= {column.name for column in table.columns if (table.name, column.name) in referred}
    asked = options.autoincrement
    alias = _alias(draft)
    numbered = bool(alias) and _is_numbered(table.column(alias))
    return Terms(
        table=table,
        target=draft.target,
        operands={column.name: _operand(draft, column, encoding) for column in table.columns},
        altered=_altered(draft),
        transformed=bool(draft.shaped.transform),
        fixed_keys=keys,
        alias=alias,
        checks=shaping.checks == "auto",
        defaults=shaping.defaults == "auto",
        autoincrement=bool(asked) if asked is not None else shaping.autoincrement and numbered,
        untranslatable=untranslatable,
    )


def _alias(draft: Draft) -> str:
    """The column that becomes `INTEGER PRIMARY KEY`, or ''."""
    index = primary_index(draft.table)
    alias = is_rowid_alias(draft.table, draft.key, lambda name: draft.mappings[name].storage)
    return key_names(index)[0] if index and alias else ""


def _is_numbered(column: Column) -> bool:
    return bool(column.identity or column.sequence)


def _operand(draft: Draft, column: Column, encoding: str) -> Operand:
    return Operand(
        target=draft.target_of(column.name),
        type=column.type,
        mapping=draft.mappings[column.name],
        not_null=is_not_null(column),
        byte_order=ordered_alike(column, encoding),
        deterministic=column.deterministic,
        encoding=encoding,
    )


def _altered(draft: Draft) -> dict[str, str]:
    altered: dict[str, str] = {}
    for name, column in draft.shaped.columns.items():
        if column.made:
            how = "an expression" if column.expression else f"the mask {column.mask}"
            altered[name] = f"holds values that {how} makes"
    return altered
