"""Sqlglot's tree made a tree of the few nodes that are known; anything else in it is refused.

A node passes only where its class is listed and it has no more arguments than are listed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from functools import lru_cache
from typing import cast

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from streamer.translate.expressions.lexer import Prepared, Text, prepare
from streamer.translate.expressions.syntax import NONE, Node, TypeName
from streamer.translate.expressions.values import UntranslatableError

# Class → what it is called here, and its arguments in order (one with * is a list).
_KNOWN: dict[str, tuple[str, tuple[str, ...]]] = {
    "EQ": ("=", ("this", "expression")),
    "NEQ": ("<>", ("this", "expression")),
    "LT": ("<", ("this", "expression")),
    "LTE": ("<=", ("this", "expression")),
    "GT": (">", ("this", "expression")),
    "GTE": (">=", ("this", "expression")),
    "NullSafeEQ": ("is not distinct", ("this", "expression")),
    "NullSafeNEQ": ("is distinct", ("this", "expression")),
    "And": ("and", ("this", "expression")),
    "Or": ("or", ("this", "expression")),
    "Not": ("not", ("this",)),
    "Between": ("between", ("this", "low", "high")),
    "In": ("in", ("this", "*expressions")),
    "Any": ("any", ("this",)),
    "All": ("all", ("this",)),
    "Array": ("array", ("*expressions",)),
    "Add": ("+", ("this", "expression")),
    "Sub": ("-", ("this", "expression")),
    "Mul": ("*", ("this", "expression")),
    "Div": ("/", ("this", "expression")),
    "Mod": ("%", ("this", "expression")),
    "Neg": ("negative", ("this",)),
    "DPipe": ("||", ("this", "expression")),
    "JSONExtractScalar": ("->>", ("this", "expression")),
    "Abs": ("abs", ("this",)),
    "Length": ("length", ("this",)),
    "Lower": ("lower", ("this",)),
    "Upper": ("upper", ("this",)),
    "Coalesce": ("coalesce", ("this", "*expressions")),
    "Nullif": ("nullif", ("this", "expression")),
    "Greatest": ("greatest", ("this", "*expressions")),
    "Least": ("least", ("this", "*expressions")),
    "Substring": ("substr", ("this", "start", "length")),
    "StrPosition": ("strpos", ("this", "substr")),
    "StartsWith": ("starts_with", ("this", "expression")),
    "Left": ("left", ("this", "expression")),
    "Right": ("right", ("this", "expression")),
    "Replace": ("replace", ("this", "expression", "replacement")),
    "Concat": ("concat", ("*expressions",)),
    "BitLength": ("bit_length", ("this",)),
    "AtTimeZone": ("at time zone", ("this", "zone")),
    "CurrentTimestamp": ("now", ()),
    "Localtimestamp": ("localtimestamp", ()),
    "CurrentDate": ("current_date", ()),
    "CurrentTime": ("current_time", ()),
    "Localtime": ("localtime", ()),
    "Uuid": ("gen_random_uuid", ()),
    "Count": ("count", ("this",)),
    "Sum": ("sum", ("this",)),
    "Min": ("min", ("this",)),
    "Max": ("max", ("this",)),
    "Star": ("star", ()),
    "Distinct": ("distinct", ("*expressions",)),
    "Null": ("null", ()),
}
# What sqlglot notes of PostgreSQL's usual meaning: these arguments say nothing new.
_USUAL: dict[str, dict[str, object]] = {
    "DPipe": {"safe": True},
    "Div": {"typed": True, "safe": False},
    "Concat": {"safe": True, "coalesce": True},
    "Greatest": {"ignore_nulls": True},
    "Least": {"ignore_nulls": True},
    "Array": {"value_constructor": False},
    "Count": {"big_int": True},
    "JSONExtractScalar": {"only_json_types": False},
}
_TYPES = {
    "BIGINT": "int8",
    "INT": "int4",
    "SMALLINT": "int2",
    "DECIMAL": "numeric",
    "DOUBLE": "float8",
    "FLOAT": "float4",
    "TEXT": "text",
    "VARCHAR": "varchar",
    "BPCHAR": "bpchar",
    "CHAR": "bpchar",
    "NAME": "name",
    "DATE": "date",
    "TIMESTAMP": "timestamp",
    "TIMESTAMPTZ": "timestamptz",
    "TIME": "time",
    "TIMETZ": "timetz",
    "BOOLEAN": "bool",
    "UUID": "uuid",
    "JSON": "json",
    "JSONB": "jsonb",
    "BIT": "bit",
    "INTERVAL": "interval",
    "VARBINARY": "bytea",
    "INET": "inet",
    "MONEY": "money",
    "XML": "xml",
    "POINT": "point",
    **{
        name: name.lower()
        for kind in ("INT4", "INT8", "NUM", "TS", "TSTZ", "DATE")
        for name in (f"{kind}RANGE", f"{kind}MULTIRANGE")
    },
}


def read(sql: str, names: Collection[str]) -> Node:
    """The tree of an expression; see `syntax.parse`."""
    return _node(prepare(sql, names))


@lru_cache(maxsize=2_000)  # a thousand tables have the same few defaults and conditions
def _node(prepared: Prepared) -> Node:
    # Behind SELECT nothing is taken for a command.
    select = parse(f"SELECT ({prepared.sql})")
    (tree,) = select.expressions
    if not isinstance(select, exp.Select) or set(arguments_of(select)) != {"expressions"}:
        raise UntranslatableError("its SQL isn't understood")
    reader = Reader(prepared)
    node = reader.node(tree)
    reader.check_complete()
    return node


def parse(sql: str) -> exp.Expr:
    """Sqlglot's own tree."""
    try:
        return sqlglot.parse_one(sql, dialect="postgres")
    except (SqlglotError, RecursionError) as error:
        raise UntranslatableError("its SQL isn't understood") from error


class Reader:
    """Reads sqlglot's nodes; afterwards every literal of the text must have been seen once."""

    def __init__(self, prepared: Prepared) -> None:
        self._strings = prepared.strings
        self._expected = Counter(prepared.numbers)
        self._expected.update(f"'s{n}'" for n in range(len(prepared.strings)))
        self._seen: Counter[str] = Counter()

    def check_complete(self) -> None:
        """Raise UntranslatableError where the parser lost or made up a literal."""
        if self._seen != self._expected:
            raise UntranslatableError("its SQL isn't understood")

    def node(self, tree: object) -> Node:
        """The node of sqlglot's `tree`."""
        if not isinstance(tree, exp.Expr):
            raise UntranslatableError("its SQL isn't understood")
        name = type(tree).__name__
        special = getattr(self, f"_{name.lower()}", None)
        if special is not None:
            return special(tree)
        known = _KNOWN.get(name)
        if known is None:
            raise UntranslatableError(f"{_called(tree)} isn't translated")
        op, wanted = known
        return Node(op, self._parts(tree, wanted))

    def _parts(self, tree: exp.Expr, wanted: tuple[str, ...]) -> tuple[Node, ...]:
        arguments = arguments_of(tree)
        parts: list[Node] = []
        for argument in wanted:
            value = arguments.pop(argument.lstrip("*"), None)
            if argument.startswith("*"):
                parts += [self.node(one) for one in cast("list[object]", value or [])]
            elif value is not None:
                parts.append(self.node(value))
        if arguments:
            raise UntranslatableError(f"{_called(tree)} isn't translated in this form")
        return tuple(parts)

    def _paren(self, tree: exp.Expr) -> Node:
        (inner,) = self._parts(tree, ("this",))
        return inner

    def _column(self, tree: exp.Expr) -> Node:
        arguments = arguments_of(tree)
        name = identifier(arguments.pop("this", None))
        table = arguments.pop("table", None)
        if arguments:
            raise UntranslatableError("a name of more than two parts isn't translated")
        return Node("name", text=name, table=identifier(table) if table is not None else "")

    def _literal(self, tree: exp.Expr) -> Node:
        text = str(tree.this)
        if not tree.is_string:
            self._seen[text] += 1
            return Node("number", text=text)
        self._seen[f"'{text}'"] += 1
        string = self._strings[int(text[1:])] if text[1:].isdecimal() else Text("")
        return Node("string", text=string.value, bits=string.bits)

    def _boolean(self, tree: exp.Expr) -> Node:
        return Node("true" if tree.this else "false")

    def _is(self, tree: exp.Expr) -> Node:
        arguments = arguments_of(tree)
        op = "is not" if arguments.pop("negate", False) else "is"
        subject, what = self.node(arguments.pop("this")), self.node(arguments.pop("expression"))
        if arguments or what.op not in ("null", "true", "false"):
            raise UntranslatableError("IS isn't translated in this form")
        return Node(op, (subject, what))

    def _like(self, tree: exp.Expr) -> Node:
        arguments = arguments_of(tree)
        op = "not like" if arguments.pop("negate", False) else "like"
        parts = (self.node(arguments.pop("this")), self.node(arguments.pop("expression")))
        if arguments:
            raise UntranslatableError("LIKE isn't translated in this form")
        return Node(op, parts)

    def _trim(self, tree: exp.Expr) -> Node:
        arguments = arguments_of(tree)
        where = str(arguments.pop("position", "BOTH"))
        names = {"BOTH": "trim", "LEADING": "ltrim", "TRAILING": "rtrim"}
        parts = [self.node(arguments.pop("this"))]
        if "expression" in arguments:
            parts.append(self.node(arguments.pop("expression")))
        if arguments or where not in names:
            raise UntranslatableError("TRIM isn't translated in this form")
        return Node(names[where], tuple(parts))

    def _case(self, tree: exp.Expr) -> Node:
        arguments = arguments_of(tree)
        subject = arguments.pop("this", None)
        otherwise = arguments.pop("default", None)
        parts = [self.node(subject) if subject is not None else NONE]
        for branch in cast("list[exp.Expr]", arguments.pop("ifs")):
            parts += self._parts(branch, ("this", "true"))
        parts.append(self.node(otherwise) if otherwise is not None else NONE)
        if arguments:
            raise UntranslatableError("CASE isn't translated in this form")
        return Node("case", tuple(parts))

    def _cast(self, tree: exp.Expr) -> Node:
        arguments = arguments_of(tree)
        kind = self._type(arguments.pop("to", None))
        inner = self.node(arguments.pop("this"))
        if arguments:
            raise UntranslatableError("a cast isn't translated in this form")
        return Node("cast", (inner,), type=kind)

    def _type(self, tree: object) -> TypeName:
        if isinstance(tree, exp.ObjectIdentifier):
            return TypeName(str(tree.this).lower())
        if not isinstance(tree, exp.DataType):
            raise UntranslatableError("a cast isn't translated in this form")
        arguments = arguments_of(tree)
        arguments.pop("nested", None)
        word = arguments.pop("this")
        name = str(getattr(word, "name", word))
        inner = cast("list[exp.Expr]", arguments.pop("expressions", None) or [])
        kind = arguments.pop("kind", None)
        if arguments:
            raise UntranslatableError("a cast isn't translated in this form")
        if name == "ARRAY" and len(inner) == 1 and kind is None:
            element = self._type(inner[0])
            return TypeName(element.name, element.schema, element.parameters, array=True)
        parameters = tuple(self._parameter(one) for one in inner)
        if name == "USERDEFINED" and not parameters:
            return _user_type(kind)
        if name not in _TYPES or kind is not None:
            raise UntranslatableError(f"a cast to {name.lower()} isn't translated")
        return TypeName(_TYPES[name], parameters=parameters)

    def _parameter(self, tree: exp.Expr) -> int:
        (node,) = self._parts(tree, ("this",))
        if node.op != "number" or not node.text.isdecimal():
            raise UntranslatableError("a cast isn't translated in this form")
        return int(node.text)

    def _anonymous(self, tree: exp.Expr) -> Node:
        arguments = arguments_of(tree)
        name = str(arguments.pop("this")).lower()
        parts = [self.node(one) for one in cast("list[object]", arguments.pop("expressions", []))]
        if arguments:
            raise UntranslatableError(f"{name}() isn't translated in this form")
        return Node(name, tuple(parts))

    def _dot(self, tree: exp.Expr) -> Node:
        # A function of another schema than pg_catalog; extensions' uuid_generate_v4() is one.
        arguments = arguments_of(tree)
        function = arguments.get("expression")
        if isinstance(function, exp.Anonymous) and str(function.this) == "uuid_generate_v4":
            return self.node(function)
        name = str(function.this) if isinstance(function, exp.Func) else ""
        raise UntranslatableError(
            f"{name}() is a function of the source database"
            if name
            else "fields of composite values aren't translated"
        )


def arguments_of(tree: exp.Expr) -> dict[str, object]:
    """The arguments of a node that say something, by name."""
    usual = _USUAL.get(type(tree).__name__, {})
    arguments = cast("dict[str, object]", tree.args)
    return {
        name: value
        for name, value in arguments.items()
        if value is not None
        and value is not False
        and value != []
        and not (name in usual and usual[name] == value)
    }


def _user_type(kind: object) -> TypeName:
    if isinstance(kind, exp.Dot):
        return TypeName(identifier(kind.expression), identifier(kind.this))
    name = identifier(kind)
    return TypeName('"char"' if name == "char" else name)


def identifier(tree: object) -> str:
    """A name."""
    if not isinstance(tree, exp.Identifier):
        raise UntranslatableError("its SQL isn't understood")
    return str(tree.this)


def _called(tree: exp.Expr) -> str:
    if isinstance(tree, exp.Func):
        return f"{tree.sql_name().lower()}()"
    return type(tree).__name__.lower()
