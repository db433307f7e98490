"""From the tree of an expression to SQL, node by node; what isn't named here isn't translated."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial, reduce

from streamer.frozen import frozen
from streamer.translate.expressions import comparisons, constants, forms, numbers, texts
from streamer.translate.expressions.aggregates import aggregate
from streamer.translate.expressions.arrays import elements
from streamer.translate.expressions.casts import Casts
from streamer.translate.expressions.comparisons import condition
from streamer.translate.expressions.syntax import Node
from streamer.translate.expressions.values import (
    UTF8,
    Form,
    Operand,
    Scope,
    UntranslatableError,
    Value,
)

_DEEPEST = 40  # D1 allows an expression 100 levels; a node here becomes two at most
_ORDERS = frozenset({"=", "<>", "<", "<=", ">", ">="})
_OF_BYTES = frozenset({"octet_length", "bit_length"})
# Of a database with the encoding SQL_ASCII a letter is a byte.
_OF_LETTERS = frozenset(
    {"length", "char_length", "character_length", "substr", "left", "right", "strpos"}
    | {"like", "not like", "trim", "ltrim", "rtrim", "btrim"}
)
CLOCKS = frozenset(
    {
        *("now", "statement_timestamp", "transaction_timestamp", "clock_timestamp"),
        *("localtimestamp", "current_date", "current_time", "localtime"),
    }
)


@frozen
class Rules:
    """What an expression may do where it stands.

    `guarded`: where PostgreSQL raises an error for a row, D1 must refuse it too. `weaker`:
    functions may do less than PostgreSQL's, and a note says so. `aggregates` may stand there.
    """

    guarded: bool = True
    weaker: bool = False
    aggregates: bool = False


Resolve = Callable[[str, str], Value]


class Translator:
    """Translates the expressions of one place; `resolve` finds a column by qualifier and name."""

    def __init__(self, resolve: Resolve, columns: Sequence[Operand], rules: Rules) -> None:
        self._resolve = resolve
        self._casts = Casts([column.type for column in columns], guarded=rules.guarded)
        self._encoding = columns[0].encoding if columns else UTF8
        self._rules = rules
        self._depth = 0
        self.notes: list[str] = []

    @classmethod
    def of(cls, scope: Scope, rules: Rules) -> Translator:
        """A translator of expressions over one table."""

        def resolve(table: str, name: str) -> Value:
            if table or name not in scope.columns:
                raise UntranslatableError(f"{name} isn't a column that is carried over")
            return forms.column(scope.columns[name])

        return cls(resolve, [*scope.columns.values()], rules)

    def condition(self, node: Node, *, positive: bool = False) -> Value:
        """A boolean expression; `positive`: rows are refused where it is false, and only there."""
        value = self.value(node, positive=positive)
        if value.form is not Form.BOOLEAN:
            raise UntranslatableError("a condition that isn't boolean isn't translated")
        return value

    def value(self, node: Node, *, positive: bool = False) -> Value:
        """Any expression."""
        self._depth += 1
        if self._depth > _DEEPEST:
            raise UntranslatableError("it is nested too deeply for D1")
        value = self._value(node, positive=positive)
        self._depth -= 1
        return value

    def _value(self, node: Node, *, positive: bool) -> Value:
        op, parts = node.op, node.parts
        if op in CLOCKS:
            raise UntranslatableError("what depends on the time isn't translated here")
        if op in _ORDERS and parts[1].op in ("any", "all"):
            return self._quantified(node)
        match op:
            case "name" | "number" | "string" | "true" | "false" | "null":
                value = self._leaf(node)
            case "case":
                value = self._case(parts)
            case "cast" if node.type is not None:
                value = self._casts.cast(parts[0], node.type, self.value)
            case "and" | "or":
                value = self._chain(node, positive=positive)
            case "is" | "is not":
                value = self._is(op, self.value(parts[0]), parts[1].op)
            case "count" | "sum" | "min" | "max" if self._rules.aggregates:
                value = self._aggregate(op, parts)
            case "=" if positive and (name := _own_case(parts)):
                value = self._in_case(name, self.value(_other(parts)))
            case _:
                value = self._applied(op, [self.value(part) for part in parts])
        return value

    def _aggregate(self, name: str, parts: tuple[Node, ...]) -> Value:
        (part,) = parts
        if part.op == "star" and name == "count":
            return Value("count(*)", Form.INTEGER, "int8")
        distinct = part.op == "distinct" and len(part.parts) == 1
        value = self.value(part.parts[0] if distinct else part)
        return aggregate(name, value, distinct=distinct)

    def _in_case(self, name: str, value: Value) -> Value:
        """`lower(c) = c`: D1 accepts more than PostgreSQL, never less."""
        made = texts.cased(name, value)
        self.notes.append(made.note)
        return condition(f"{made.sql} = {value.part}")

    def _leaf(self, node: Node) -> Value:
        match node.op:
            case "name":
                return self._resolve(node.table, node.text)
            case "number":
                return constants.number(node.text)
            case "null":
                return forms.null()
            case "string" if node.bits:
                return forms.literal(Form.PLAIN, "bit", node.text)
            case "string":
                return forms.literal(Form.TEXT, "text", node.text)
            case _:
                return constants.boolean(true=node.op == "true")

    def _applied(self, op: str, values: list[Value]) -> Value:
        self._check_counting(op, values)
        if op in _ORDERS:
            return comparisons.compare(op, *_two(values))
        if op in _OF_ALL:
            return _OF_ALL[op](values)
        if op in _OF_ONE and len(values) == 1:
            return _OF_ONE[op](values[0])
        if op in ("+", "-", "*", "/", "%", "mod"):
            sign = "%" if op == "mod" else op
            return numbers.calculate(sign, *_two(values), guarded=self._rules.guarded)
        return self._tested(op, values) or self._special(op, values)

    def _check_counting(self, op: str, values: list[Value]) -> None:
        """Refuse what counts bytes or letters of text otherwise than D1, whose text is UTF-8."""
        counted = _OF_BYTES if self._encoding != "SQL_ASCII" else _OF_BYTES | _OF_LETTERS
        texts_in_it = any(value.form in (Form.TEXT, Form.CHARACTER) for value in values)
        if op in counted and texts_in_it and self._encoding != UTF8:
            raise UntranslatableError(f"{op} counts as the encoding {self._encoding} does")

    def _tested(self, op: str, values: list[Value]) -> Value | None:
        value = None
        match op, values:
            case (("is distinct" | "is not distinct"), [left, right]):
                value = comparisons.distinct(left, right, negated=op == "is not distinct")
            case (("like" | "not like"), [left, right]):
                value = texts.matching(left, right, negated=op == "not like")
            case "in", [subject, *choices]:
                value = comparisons.among(subject, choices, negated=False)
            case "not", [inner]:
                value = condition(f"NOT {_boolean(inner).part}")
            case "between", [inner, low, high]:
                one = comparisons.compare(">=", inner, low)
                other = comparisons.compare("<=", inner, high)
                value = condition(f"{one.part} AND {other.part}")
            case _:
                pass
        return value

    def _special(self, op: str, values: list[Value]) -> Value:
        match op, values:
            case "negative", [value]:
                constant = constants.negative(value)
                return constant or numbers.negated(value, guarded=self._rules.guarded)
            case "abs", [value]:
                return numbers.absolute(value, guarded=self._rules.guarded)
            case (("lower" | "upper"), [value]) if self._rules.weaker:
                made = texts.cased(op, value)
                self.notes.append(made.note)
                return made
            case "trim" | "ltrim" | "rtrim" | "btrim", _:
                return texts.trimmed(op, values)
            case (("greatest" | "least"), _):
                return numbers.extreme(op, values)
            case (("num_nulls" | "num_nonnulls"), [_, *_]):
                return _counted("IS NULL" if op == "num_nulls" else "IS NOT NULL", values)
            case _:
                raise UntranslatableError(_REASONS.get(op, f"{op} isn't translated here"))

    def _chain(self, node: Node, *, positive: bool) -> Value:
        """AND and OR, which PostgreSQL prints flat and sqlglot nests to the left."""
        parts: list[Node] = []
        rest = node
        while rest.op == node.op:
            parts.append(rest.parts[1])
            rest = rest.parts[0]
        parts.append(rest)
        if len(parts) > _DEEPEST:
            raise UntranslatableError("it has too many parts for D1")
        conditions = [_boolean(self.value(part, positive=positive)) for part in reversed(parts)]
        if any(numbers.may_fail(one) for one in conditions) and not all(map(_names, parts)):
            # PostgreSQL computes constants first, and may then never look at what fails.
            raise UntranslatableError("it has a condition without columns")
        if any(numbers.may_fail(one) for one in conditions[1:]):
            return reduce(partial(_stepwise, node.op), conditions)
        return condition(f" {node.op.upper()} ".join(one.part for one in conditions))

    def _is(self, op: str, value: Value, what: str) -> Value:
        if what == "null":
            return condition(f"{_null_test(value).part} {op.upper()} NULL")
        return condition(f"{_boolean(value).part} {op.upper()} {what.upper()}")

    def _quantified(self, node: Node) -> Value:
        subject, listed = node.parts
        if (node.op, listed.op) not in (("=", "any"), ("<>", "all")):
            raise UntranslatableError(f"{node.op} {listed.op.upper()} isn't translated")
        values = [self._casts.cast(*element, self.value) for element in elements(listed.parts[0])]
        return comparisons.among(self.value(subject), values, negated=listed.op == "all")

    def _case(self, parts: tuple[Node, ...]) -> Value:
        subject, otherwise = parts[0], parts[-1]
        tests, results = parts[1:-1:2], [self.value(part) for part in parts[2:-1:2]]
        if otherwise.op != "none":
            results.append(self.value(otherwise))
        kind = result_kind(results)
        if subject.op == "none":
            conditions = [self.condition(test) for test in tests]
        else:
            whole = self.value(subject)
            conditions = [comparisons.compare("=", whole, self.value(test)) for test in tests]
        branches = " ".join(
            f"WHEN {test.part} THEN {result.part}"
            for test, result in zip(conditions, results, strict=False)
        )
        ending = f" ELSE {results[-1].part}" if otherwise.op != "none" else ""
        return replace(kind, sql=f"CASE {branches}{ending} END", atomic=False)


_REASONS = {name: f"{name}() changes ASCII letters only in D1" for name in ("lower", "upper")}


def _own_case(parts: tuple[Node, ...]) -> str:
    """Which of lower and upper is compared with its own argument, '' for neither."""
    for one, other in (parts, parts[::-1]):
        if one.op in ("lower", "upper") and len(one.parts) == 1 and one.parts[0] == other:
            return one.op
    return ""


def _other(parts: tuple[Node, ...]) -> Node:
    one, other = parts
    return other if one.op in ("lower", "upper") else one


def _counted(test: str, values: Sequence[Value]) -> Value:
    sql = " + ".join(f"({_null_test(value).part} {test})" for value in values)
    return Value(sql, Form.INTEGER, "int4", atomic=False)


def result_kind(values: Sequence[Value]) -> Value:
    """What is known of a value that is one of these."""
    kind = forms.common(values)
    if kind.form in (Form.OPAQUE, Form.JSON):
        raise UntranslatableError(f"values of type {kind.type} aren't carried through expressions")
    known = [value for value in values if value.form is not Form.NULL]
    wide = kind.type
    if kind.form is Form.INTEGER:
        wide = max((v.type for v in known), key=numbers.WIDTHS.__getitem__)
    elif kind.form is Form.FLOAT8 and any(v.type != comparisons.FINITE for v in known):
        wide = "float8"
    return Value(
        "",
        kind.form,
        wide,
        byte_order=all(value.byte_order for value in known),
        blob=kind.blob,
    )


def _coalesce(values: Sequence[Value]) -> Value:
    kind = result_kind(values)
    if len(values) < 2 or kind.blob:
        raise UntranslatableError("COALESCE isn't translated in this form")
    return replace(kind, sql=f"coalesce({', '.join(v.sql for v in values)})", atomic=True)


def _nullif(values: Sequence[Value]) -> Value:
    left, right = _two(values)
    kind = result_kind(values)
    if kind.form is Form.DECIMAL or kind.blob:
        raise UntranslatableError("NULLIF isn't translated for these values")
    comparisons.equal_sides(left, right)
    return replace(kind, sql=f"nullif({left.sql}, {right.sql})", type=left.type)


def _stepwise(op: str, left: Value, right: Value) -> Value:
    """AND and OR as PostgreSQL goes about them: the right side isn't asked where the left decides."""
    whole = f"{left.part} {op.upper()} {right.part}"
    if not numbers.may_fail(right):
        return condition(whole)
    decided = f"{left.part} THEN 1" if op == "or" else f"NOT {left.part} THEN 0"
    return numbers.short(condition(f"CASE WHEN {decided} ELSE {whole} END"))


def _names(node: Node) -> bool:
    """Whether the expression names a column."""
    return node.op == "name" or any(_names(part) for part in node.parts)


def _two(values: Sequence[Value]) -> tuple[Value, Value]:
    if len(values) != 2:
        raise UntranslatableError("its SQL isn't understood")
    return values[0], values[1]


def _boolean(value: Value) -> Value:
    if value.form not in (Form.BOOLEAN, Form.NULL):
        raise UntranslatableError("a condition that isn't boolean isn't translated")
    return value


def _null_test(value: Value) -> Value:
    if not value.nullable:
        raise UntranslatableError("NULL isn't the same for these values in D1")
    return value


_OF_ONE: dict[str, Callable[[Value], Value]] = {
    "length": texts.length,
    "char_length": texts.length,
    "character_length": texts.length,
    "octet_length": texts.octets,
    "bit_length": lambda value: texts.octets(value, bits=True),
}
_OF_ALL: dict[str, Callable[[Sequence[Value]], Value]] = {
    "||": lambda values: texts.joined(*_two(values)),
    "coalesce": _coalesce,
    "nullif": _nullif,
    "concat": texts.concatenated,
    "replace": texts.replaced,
    "strpos": texts.position,
    "starts_with": texts.starting,
    "substr": texts.part,
    "left": texts.left,
    "right": texts.right,
}
