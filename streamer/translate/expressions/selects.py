"""Sqlglot's tree of a SELECT as D1's SQL."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from itertools import pairwise
from typing import cast

from sqlglot import exp

from streamer.model import QualifiedName
from streamer.translate.expressions import comparisons, forms
from streamer.translate.expressions.aggregates import check_groupable, check_sortable
from streamer.translate.expressions.lexer import prepare
from streamer.translate.expressions.syntax import Node
from streamer.translate.expressions.translator import Rules, Translator
from streamer.translate.expressions.tree import Reader, arguments_of, identifier, parse
from streamer.translate.expressions.values import Form, Relation, UntranslatableError, Value
from streamer.translate.names import quote

_TERMS = 5  # of a compound SELECT, developers.cloudflare.com/d1/platform/limits, 2026-11-22
_COLUMNS = 100  # of a result, measured
_SIDES = frozenset({"", "LEFT", "RIGHT", "FULL"})
_KINDS = frozenset({"", "INNER", "CROSS", "OUTER"})


class Selects:
    """Reads the SELECTs of one view."""

    def __init__(
        self, tree: exp.Expr, reader: Reader, relations: Mapping[QualifiedName, Relation]
    ) -> None:
        self._tree = tree
        self._reader = reader
        self._relations = relations

    @classmethod
    def of(cls, definition: str, relations: Mapping[QualifiedName, Relation]) -> Selects:
        """A reader of a view's definition."""
        prepared = prepare(definition.strip().rstrip(";"))
        if not prepared.sql.upper().startswith("SELECT"):
            raise UntranslatableError("only plain SELECTs are translated")
        return cls(parse(prepared.sql), Reader(prepared), relations)

    def sql(self) -> str:
        """The view's SELECT."""
        parts, joints = self._terms(self._tree)
        if len(parts) > _TERMS:
            raise UntranslatableError("D1 allows five SELECTs in one UNION")
        written = [_Select(part, self._reader, self._relations) for part in parts]
        for one in written:
            _check_united(written[0], one, whole="UNION" not in joints)
        self._reader.check_complete()
        sql = written[0].sql
        for joint, one in zip(joints, written[1:], strict=True):
            sql += f" {joint} {one.sql}"
        return sql

    def _terms(self, tree: exp.Expr) -> tuple[list[exp.Expr], list[str]]:
        if isinstance(tree, exp.Select):
            return [tree], []
        if not isinstance(tree, exp.Union):
            raise UntranslatableError("only plain SELECTs are translated")
        arguments = arguments_of(tree)
        first, second = arguments.pop("this"), arguments.pop("expression")
        joint = "UNION" if arguments.pop("distinct", False) else "UNION ALL"
        if arguments or not isinstance(first, exp.Expr) or not isinstance(second, exp.Select):
            raise UntranslatableError("a UNION in this form isn't translated")
        parts, joints = self._terms(first)
        if any(arguments_of(part).keys() & {"order", "limit"} for part in [*parts, second]):
            raise UntranslatableError("a UNION in this form isn't translated")
        return [*parts, second], [*joints, joint]


def _check_united(first: _Select, other: _Select, *, whole: bool) -> None:
    if first is other:
        if not whole:
            for value in first.values:
                check_groupable(value)
        return
    if len(first.values) != len(other.values):
        raise UntranslatableError("its SQL isn't understood")
    for one, two in zip(first.values, other.values, strict=True):
        if one.form is Form.DECIMAL is two.form and whole:
            continue
        forms.common((one, two))
        if not whole:
            check_groupable(two)


class _Select:
    """One SELECT: its SQL, and the values of its columns."""

    def __init__(
        self, tree: exp.Expr, reader: Reader, relations: Mapping[QualifiedName, Relation]
    ) -> None:
        self._reader = reader
        self._relations = relations
        self._aliases: dict[str, Relation] = {}
        arguments = arguments_of(tree)
        source = self._source(arguments.pop("from_", None), arguments.pop("joins", None))
        columns = [o for r in self._aliases.values() for o in r.scope.columns.values()]
        self._translator = Translator(self._resolve, columns, Rules(guarded=False, aggregates=True))
        source = "".join(text if isinstance(text, str) else self._on(*text) for text in source)
        self.values: list[Value] = []
        columns = [self._item(one) for one in cast("list[exp.Expr]", arguments.pop("expressions"))]
        if len(columns) > _COLUMNS:
            raise UntranslatableError("D1 allows 100 columns in a result")
        distinct = arguments.pop("distinct", None)
        if distinct is not None:
            self._check_distinct(distinct)
        self.sql = f"SELECT {'DISTINCT ' if distinct else ''}{', '.join(columns)} FROM {source}"
        self.sql += self._endings(arguments)
        if arguments:
            raise UntranslatableError(f"{min(arguments)} isn't translated in a view")

    def _check_distinct(self, distinct: object) -> None:
        if not isinstance(distinct, exp.Distinct) or arguments_of(distinct):
            raise UntranslatableError("DISTINCT ON has no equal in D1")
        for value in self.values:
            check_groupable(value)

    def _endings(self, arguments: dict[str, object]) -> str:
        sql = ""
        for name in ("where", "group", "having"):
            clause = arguments.pop(name, None)
            if not isinstance(clause, exp.Expr):
                continue
            if name == "group":
                sql += f" GROUP BY {', '.join(self._grouped(clause))}"
            else:
                sql += f" {name.upper()} {self._condition(clause)}"
        order, limit = arguments.pop("order", None), arguments.pop("limit", None)
        if isinstance(order, exp.Expr):
            sql += f" ORDER BY {', '.join(self._ordered(one) for one in _only(order))}"
        if isinstance(limit, exp.Limit):
            node = self._reader.node(limit.args.get("expression"))
            if order is None or node.op != "number" or set(arguments_of(limit)) != {"expression"}:
                raise UntranslatableError("LIMIT isn't translated in this form")
            sql += f" LIMIT {node.text}"
        return sql

    def _condition(self, clause: exp.Expr) -> str:
        (condition,) = arguments_of(clause).values()
        return self._translator.condition(self._reader.node(condition)).sql

    def _grouped(self, clause: exp.Expr) -> list[str]:
        values = [self._value(one) for one in _only(clause)]
        for value in values:
            check_groupable(value)
            if value.constant is not None:
                raise UntranslatableError("a GROUP BY with a constant isn't translated")
        return [value.sql for value in values]

    def _ordered(self, tree: exp.Expr) -> str:
        arguments = arguments_of(tree)
        value = self._value(arguments.pop("this"))
        down, first = arguments.pop("desc", False), arguments.pop("nulls_first", False)
        if arguments or value.constant is not None:
            raise UntranslatableError("ORDER BY isn't translated in this form")
        check_sortable(value)
        return f"{value.part}{' DESC' if down else ''} NULLS {'FIRST' if first else 'LAST'}"

    def _item(self, tree: exp.Expr) -> str:
        name = ""
        if isinstance(tree, exp.Alias):
            arguments = arguments_of(tree)
            name, tree = identifier(arguments.pop("alias")), cast("exp.Expr", tree.this)
            if arguments.keys() != {"this"}:
                raise UntranslatableError("its SQL isn't understood")
        node = self._reader.node(tree)
        if not name and node.op != "name":
            raise UntranslatableError("a column without a name isn't translated")
        value = self._translator.value(node)
        self.values.append(value)
        return f"{value.sql} AS {quote(name or node.text)}"

    def _value(self, tree: object) -> Value:
        return self._translator.value(self._reader.node(tree))

    def _source(self, tree: object, joins: object) -> list[str | tuple[str, Node | str]]:
        if not isinstance(tree, exp.From) or set(arguments_of(tree)) != {"this"}:
            raise UntranslatableError("a SELECT without FROM isn't translated")
        return [*self._table(tree.this), *self._joins(joins)]

    def _table(self, tree: object) -> list[str | tuple[str, Node | str]]:
        if isinstance(tree, exp.Subquery):
            arguments = arguments_of(tree)
            inner, joins = arguments.pop("this"), arguments.pop("joins", None)
            if arguments or not isinstance(inner, (exp.Table, exp.Subquery)):
                raise UntranslatableError("subqueries aren't translated")
            return ["(", *self._table(inner), *self._joins(joins), ")"]
        if not isinstance(tree, exp.Table):
            raise UntranslatableError("subqueries aren't translated")
        arguments = arguments_of(tree)
        name = identifier(arguments.pop("this"))
        schema = identifier(arguments.pop("db", None))
        relation = self._relations.get(QualifiedName(schema, name))
        if relation is None:
            raise UntranslatableError(f"it reads {schema}.{name}, which isn't carried over")
        alias, joins = arguments.pop("alias", None), arguments.pop("joins", None)
        if not arguments.pop("only", False) and relation.has_children:
            raise UntranslatableError(
                f"it reads {schema}.{name} with the rows of tables that inherit from it, which D1 has apart"
            )
        if isinstance(alias, exp.TableAlias) and set(arguments_of(alias)) == {"this"}:
            name, alias = identifier(alias.this), None
        if arguments or alias is not None or name in self._aliases:
            raise UntranslatableError("a table in this form isn't translated")
        self._aliases[name] = relation
        return [f"{quote(relation.target)} AS {quote(name)}", *self._joins(joins)]

    def _joins(self, joins: object) -> list[str | tuple[str, Node | str]]:
        parts: list[str | tuple[str, Node | str]] = []
        for join in cast("list[exp.Expr]", joins or []):
            before = list(self._aliases)
            arguments = arguments_of(join)
            side, kind = str(arguments.pop("side", "")), str(arguments.pop("kind", ""))
            if side not in _SIDES or kind not in _KINDS:
                raise UntranslatableError(f"{side} {kind} JOIN isn't translated")
            table = self._table(arguments.pop("this"))
            on, using = arguments.pop("on", None), arguments.pop("using", None)
            if arguments or (on is not None and using is not None):
                raise UntranslatableError("a JOIN in this form isn't translated")
            words = f"{side} JOIN" if side else "JOIN"
            parts += [f" {'CROSS JOIN' if on is None and using is None else words} ", *table]
            if on is not None:
                parts.append(("", self._reader.node(on)))
            for name in cast("list[object]", using or []):
                parts.append((self._owner(before, identifier(name)), identifier(name)))
        return _merged(parts)

    def _owner(self, aliases: list[str], name: str) -> str:
        owners = [a for a in aliases if name in self._aliases[a].scope.columns]
        others = [
            a for a in self._aliases if a not in aliases and name in self._aliases[a].scope.columns
        ]
        if len(owners) != 1 or len(others) != 1:
            raise UntranslatableError("a JOIN in this form isn't translated")
        return f"{owners[0]}\0{others[0]}"

    def _on(self, owners: str, condition: Node | str) -> str:
        if isinstance(condition, Node):
            return f" ON {self._translator.condition(condition).sql}"
        one, other = (self._resolve(owner, condition) for owner in owners.split("\0"))
        return f" ON {comparisons.compare('=', one, other).sql}"

    def _resolve(self, table: str, name: str) -> Value:
        holders = [table] if table else list(self._aliases)
        found = [
            alias
            for alias in holders
            if alias in self._aliases and name in self._aliases[alias].scope.columns
        ]
        if len(found) != 1:
            raise UntranslatableError(f"{name} isn't a column that is carried over")
        operand = self._aliases[found[0]].scope.columns[name]
        return replace(forms.column(operand), sql=f"{quote(found[0])}.{quote(operand.target)}")


def _merged(parts: list[str | tuple[str, Node | str]]) -> list[str | tuple[str, Node | str]]:
    """Of several USING columns no more than one can be said as an ON of its own."""
    pairs = pairwise(parts)
    if any(isinstance(one, tuple) and isinstance(two, tuple) for one, two in pairs):
        raise UntranslatableError("a JOIN in this form isn't translated")
    return parts


def _only(tree: exp.Expr) -> list[exp.Expr]:
    arguments = arguments_of(tree)
    if set(arguments) != {"expressions"}:
        raise UntranslatableError("GROUP BY or ORDER BY isn't translated in this form")
    return cast("list[exp.Expr]", arguments["expressions"])
