"""An index's keys and WHERE in the target's words, or why the target can't have it."""

from __future__ import annotations

from streamer.frozen import frozen
from streamer.model import Index, Table
from streamer.translate import expressions
from streamer.translate.expressions import Translated, Untranslated
from streamer.translate.names import quote
from streamer.translate.terms import REFUSED, Terms, shortened
from streamer.translate.types import Mapping

_BTREE_LIKE = frozenset({"btree", "hash"})


@frozen
class IndexSql:
    """An index's keys, and its WHERE or '', in the target's words; `notes` say what differs."""

    keys: tuple[str, ...]
    where: str = ""
    notes: tuple[str, ...] = ()


def index_sql(terms: Terms, index: Index) -> IndexSql | Untranslated:
    """The index's keys and WHERE, or why it is left out."""
    if not index.valid:
        return Untranslated("it is invalid in PostgreSQL")
    if index.method not in _BTREE_LIKE:
        return Untranslated(f"D1 has no {index.method} indexes")
    if terms.object(index.name) in terms.untranslatable:
        return Untranslated(REFUSED)
    keys: list[Translated] = []
    for number, name in enumerate(index.columns):
        key = _index_key(terms, index, number, name)
        if isinstance(key, Untranslated):
            return key
        keys.append(key)
    where = _predicate(terms, index)
    if isinstance(where, Untranslated):
        return where
    notes = tuple(part.note for part in (*keys, where) if part.note)
    if index.unique:
        notes += tuple(weaker(terms.operands[n].mapping, n) for n in index.columns if n)
        notes = tuple(filter(None, notes))
    return IndexSql(tuple(key.sql for key in keys), where.sql, notes)


def _predicate(terms: Terms, index: Index) -> Translated | Untranslated:
    """What stands behind WHERE, '' for nothing."""
    if index.predicate is None:
        return Translated("")
    if terms.transformed and index.unique:
        return Untranslated("the transform may change which rows its WHERE is true for")
    where = expressions.predicate(index.predicate, terms.scope)
    if isinstance(where, Untranslated):
        why = terms.why(index.predicate, where.reason)
        return Untranslated(f"its WHERE {shortened(index.predicate)} isn't translated: {why}")
    return where


def _plain_key(terms: Terms, index: Index, name: str) -> Translated | Untranslated:
    operand = terms.operands.get(name)
    if operand is None:
        return Untranslated(f"{name} isn't moved")
    if index.unique and None in index.columns:
        # Whether values that differ stay different isn't asked of such an index's rows.
        exact = expressions.index_key(quote(name), terms.scope)
        if isinstance(exact, Untranslated):
            return Untranslated(f"{name} is among its keys: {terms.why(name, exact.reason)}")
    return Translated(quote(operand.target))


def _index_key(
    terms: Terms, index: Index, number: int, name: str | None
) -> Translated | Untranslated:
    if name is not None:
        return _plain_key(terms, index, name)
    sql = index.expressions[number] if number < len(index.expressions) else None
    if not sql:
        return Untranslated("expressions aren't translated")
    if terms.transformed and index.unique:
        return Untranslated("the transform may change what its expression makes")
    key = expressions.index_key(sql, terms.scope, unique=index.unique)
    if isinstance(key, Untranslated):
        why = terms.why(sql, key.reason)
        return Untranslated(f"its expression {shortened(sql)} isn't translated: {why}")
    return key


def weaker(mapping: Mapping, name: str) -> str:
    """What a unique key over the column `name` lets in that PostgreSQL doesn't; '' for nothing."""
    if not mapping.alike:
        return ""
    return (
        f"uniqueness is weaker in D1: PostgreSQL takes {mapping.alike} in {name} for equal, D1"
        " compares what is stored"
    )


def index_changes(table: Table, index: Index) -> list[str]:
    """What a translated index does differently in D1."""
    changes: list[str] = []
    if index.method == "hash":
        changes.append("the hash index becomes an ordinary one")
    if not index.operator_classes_default:
        weaker_so = ", and its uniqueness may be weaker so" if index.unique else ""
        changes.append(
            f"the index's operator class or collation becomes D1's own order of bytes{weaker_so}"
        )
    if index.nulls_not_distinct:
        changes.append("NULLS NOT DISTINCT isn't known to D1, which allows several NULLs")
    if index.unique and not index.immediate:
        changes.append("DEFERRABLE isn't known to D1, which checks each row at once")
    if any(first != down for first, down in zip(index.nulls_first, index.descending, strict=False)):
        changes.append("NULLS FIRST or LAST isn't kept, D1 sorts NULLs first")
    loose = [
        name for name in index.columns if name is not None and not table.column(name).deterministic
    ]
    if index.unique and loose:
        changes.append(
            f"the collation of {', '.join(loose)} takes more texts as equal than D1 does"
        )
    return changes
