"""Where expressions stand in a schema, and what each place allows."""

from __future__ import annotations

import re

from streamer.model import TypeKind
from streamer.translate.expressions import decimals, forms
from streamer.translate.expressions.syntax import Node, parse
from streamer.translate.expressions.translator import Rules, Translator
from streamer.translate.expressions.values import (
    Form,
    Operand,
    Scope,
    Translated,
    UntranslatableError,
    Value,
)

_CHECK = re.compile(r"CHECK \((.*)\)((?: NOT VALID| NO INHERIT| NOT ENFORCED)*)", re.DOTALL)


def check(definition: str, scope: Scope) -> Translated:
    """See the package."""
    found = _CHECK.fullmatch(definition.strip())
    if found is None:
        raise UntranslatableError("its SQL isn't understood")
    for ending in ("NOT VALID", "NOT ENFORCED"):
        if ending in found[2]:
            raise UntranslatableError(f"it is {ending} in PostgreSQL")
    node = parse(found[1], scope.columns)
    return _translated(*_condition(node, scope, Rules(), positive=True))


def predicate(sql: str, scope: Scope) -> Translated:
    """See the package."""
    return _translated(*_condition(parse(sql, scope.columns), scope, Rules(guarded=False)))


def generated(sql: str, scope: Scope, operand: Operand) -> Translated:
    """See the package."""
    translator = Translator.of(scope, Rules())
    value = translator.value(parse(sql, scope.columns))
    stored = forms.column(operand)
    same = value.form is stored.form and (
        value.type == stored.type or value.form in (Form.TEXT, Form.CHARACTER)
    )
    resized = not _is_assigned_as_it_is(value.operand, operand)
    if operand.type.kind is TypeKind.DOMAIN or not same or resized or value.blob != stored.blob:
        raise UntranslatableError("its values aren't provably the same in D1")
    return _translated(value, translator)


def _is_assigned_as_it_is(copied: Operand | None, operand: Operand) -> bool:
    """Whether what is assigned to a column is what the expression is, a column that is `copied` or another one.

    PostgreSQL rounds, or cuts, to the column's own modifier, and pg_get_expr doesn't show that
    (ruleutils.c hides implicit casts at the top). And columns of one type may be stored in several ways.
    """
    if copied is None:
        return operand.type.modifier < 0
    ways = [
        (one.mapping.storage, one.mapping.template, one.mapping.wire) for one in (copied, operand)
    ]
    sizes = copied.type.base.modifier, operand.type.modifier
    return ways[0] == ways[1] and (operand.type.modifier < 0 or sizes[0] == sizes[1])


def index_key(sql: str, scope: Scope, *, unique: bool) -> Translated:
    """See the package."""
    translator = Translator.of(scope, Rules(guarded=False, weaker=True))
    value = translator.value(parse(sql, scope.columns))
    if value.constant is not None or value.form in (Form.OPAQUE, Form.NULL):
        raise UntranslatableError(f"values of type {value.type} aren't indexed by an expression")
    # An expression's numerics keep their trailing zeros, whatever those of a key column do.
    key = decimals.equality(value) if unique and value.form is Form.DECIMAL else value.sql
    return Translated(f"({key})", _notes(translator))


def _condition(
    node: Node, scope: Scope, rules: Rules, *, positive: bool = False
) -> tuple[Value, Translator]:
    translator = Translator.of(scope, rules)
    return translator.condition(node, positive=positive), translator


def _translated(value: Value, translator: Translator) -> Translated:
    return Translated(value.sql, _notes(translator))


def _notes(translator: Translator) -> str:
    return "; ".join(dict.fromkeys(translator.notes))
