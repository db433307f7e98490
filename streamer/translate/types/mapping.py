"""How values of one type travel and are stored: what `map_type` answers with."""

from __future__ import annotations

from streamer.frozen import frozen
from streamer.model import Storage, Wire


@frozen
class Counted:
    """What happens to some values of a column, to be announced with how many rows it concerns.

    `condition` is SQL with `{c}` for the source value: cheap, never raising, true for such rows
    (false or NULL for others). `necessary`, where given, is true for all of these and cheaper: where
    it is true for no row, the condition isn't asked. `ranges`: it compares the value with constants by `<`
    and its like alone, which an index of the value answers. `what` is a part of a sentence with `{rows}`
    for their number.
    `refuses`: the table can't be moved while there are any; `nulls`: they become NULL, so that it
    can't be moved either where the column is NOT NULL.
    """

    condition: str
    what: str
    hint: str = ""
    refuses: bool = False
    nulls: bool = False
    necessary: str = ""
    ranges: bool = False


@frozen
class Mapping:
    """How values of one type travel and are stored.

    `template` is SQL with `{c}` for the value; `exact`: its text casts back to the same key value;
    `keyable`: PostgreSQL's comparison operators order it and its text comes back through a
    cast, so that reading can resume behind it: those of the schema `operator_schema`, where one is
    given; `family`: values of columns with the same family
    are spelled alike, '' where equal values may be spelled differently; `distinct`: values that
    PostgreSQL tells apart are stored apart, so that unique keys stay unique.

    `alike` names two values that PostgreSQL takes for equal and that are stored apart, '' where there
    are none, so that a unique key lets in more in D1.

    `check` is SQL with `{c}` for the target column, for a CHECK constraint ('' for none); `counted`
    is what becomes of single values; `announce` is what is to be said of the column whatever its
    rows hold ('' for nothing).
    """

    storage: Storage
    template: str
    family: str
    wire: Wire = Wire.TEXT
    exact: bool = False
    keyable: bool = True
    nocase: bool = False
    distinct: bool = True
    note: str = ""
    check: str = ""
    counted: tuple[Counted, ...] = ()
    announce: str = ""
    alike: str = ""
    operator_schema: str = ""

    def read_sql(self, value: str) -> str:
        """The SQL that prints `value`, which is SQL itself: `t."col"`, or `(expression)`."""
        return self.template.replace("{c}", value)


@frozen
class Unsupported:
    """A column that can't be moved; `reason` says why, `hint` what to do instead ('' for nothing)."""

    reason: str
    hint: str = ""
