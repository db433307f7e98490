"""The tree of an expression, of the few nodes that are known."""

from __future__ import annotations

from collections.abc import Collection

from streamer.frozen import frozen


@frozen
class TypeName:
    """The type of a cast; `schema` is '' for those of pg_catalog that are printed bare."""

    name: str
    schema: str = ""
    parameters: tuple[int, ...] = ()
    array: bool = False


@frozen
class Node:
    """`op` is the operator or function in PostgreSQL's words, `parts` its operands in order.

    Leaves: `name` (text: the column, table: its qualifier), `string`, `number`, `true`, `false`,
    `null`. `cast` has a `type`. `case` has its subject (or `none`), pairs, and ELSE (or `none`).
    """

    op: str
    parts: tuple[Node, ...] = ()
    text: str = ""
    table: str = ""
    type: TypeName | None = None
    bits: bool = False


NONE = Node("none")


def parse(sql: str, names: Collection[str] = ()) -> Node:
    """The tree of an expression; `names` are the columns that it may name.

    Raises:
        UntranslatableError: something in it isn't known.
    """
    from streamer.translate.expressions import tree  # noqa: PLC0415 (sqlglot: not before it's needed)

    return tree.read(sql, names)
