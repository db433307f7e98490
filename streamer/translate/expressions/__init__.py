"""PostgreSQL's expressions in D1's SQL: checks, defaults, generated columns, index keys, views.

What comes in is what pg_get_expr, pg_get_constraintdef, pg_get_indexdef and pg_get_viewdef print in
a session with search_path=pg_catalog. What goes out means the same for every value that the
columns can hold, as they are stored; everything else is `Untranslated`, with its reason.

The path of an expression: `lexer` (only known tokens, functions and operators pass), `tree`
(sqlglot's tree, made a tree of the few nodes that are known), `translator` with `comparisons`,
`numbers`, `texts` and `moments` (typed SQL). All but `values` is loaded when there is something to
translate: of many tables there is nothing. Only `tree` imports sqlglot.
"""

from __future__ import annotations

from collections.abc import Mapping

from streamer.model import QualifiedName
from streamer.translate.expressions.values import (
    ORDERED_AS_UTF8,
    Operand,
    Relation,
    Scope,
    Translated,
    UntranslatableError,
    Untranslated,
)

__all__ = [
    "ORDERED_AS_UTF8",
    "Default",
    "Operand",
    "Relation",
    "Scope",
    "Translated",
    "Untranslated",
    "check",
    "default",
    "domain_check",
    "generated",
    "index_key",
    "predicate",
    "view",
]

Default = Translated


def check(definition: str, scope: Scope) -> Translated | Untranslated:
    """A CHECK constraint (pg_get_constraintdef) as the condition between CHECK's parentheses."""
    from streamer.translate.expressions import places  # noqa: PLC0415 (as above)

    try:
        return places.check(definition, scope)
    except UntranslatableError as error:
        return Untranslated(str(error))


def domain_check(definition: str, operand: Operand) -> Translated | Untranslated:
    """A domain's CHECK, over VALUE, as a condition on the column `operand`."""
    return check(definition, Scope({"VALUE": operand}))


def default(sql: str, operand: Operand) -> Default | Untranslated:
    """A DEFAULT as what stands behind the word: a literal, or an expression in parentheses."""
    from streamer.translate.expressions import defaults  # noqa: PLC0415 (as above)

    try:
        return defaults.default(sql, operand)
    except UntranslatableError as error:
        return Untranslated(str(error))


def generated(sql: str, scope: Scope, operand: Operand) -> Translated | Untranslated:
    """A generated column's expression, between AS's parentheses; `operand` is the column itself."""
    from streamer.translate.expressions import places  # noqa: PLC0415 (as above)

    try:
        return places.generated(sql, scope, operand)
    except UntranslatableError as error:
        return Untranslated(str(error))


def predicate(sql: str, scope: Scope) -> Translated | Untranslated:
    """A partial index's condition, what stands behind WHERE."""
    from streamer.translate.expressions import places  # noqa: PLC0415 (as above)

    try:
        return places.predicate(sql, scope)
    except UntranslatableError as error:
        return Untranslated(str(error))


def index_key(sql: str, scope: Scope, *, unique: bool = False) -> Translated | Untranslated:
    """A key of an index that is an expression; in parentheses where CREATE INDEX needs them.

    `unique`: what PostgreSQL takes for equal must be the same in D1.
    """
    from streamer.translate.expressions import places  # noqa: PLC0415 (as above)

    try:
        return places.index_key(sql, scope, unique=unique)
    except UntranslatableError as error:
        return Untranslated(str(error))


def view(definition: str, relations: Mapping[QualifiedName, Relation]) -> Translated | Untranslated:
    """A view's SELECT (pg_get_viewdef) over `relations`, as what stands behind AS."""
    from streamer.translate.expressions import views  # noqa: PLC0415 (as above)

    try:
        return views.view(definition, relations)
    except UntranslatableError as error:
        return Untranslated(str(error))
