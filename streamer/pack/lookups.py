"""Parents are deleted without a look at every row that might refer to them.

For each row that goes, SQLite looks for rows that refer to it, through the whole of a table where no
index leads to them (sqlite.org/foreignkeys.html, 3: "Required and Suggested Database Indexes",
2026-11-29): 100,000 rows that refer to each other take minutes. An index that lasts as long as the
request spares that; where the references are NULL by then, it holds no row, and costs one scan.
"""

from __future__ import annotations

from collections.abc import Sequence

from streamer.frozen import frozen
from streamer.model.sql import quote_identifier

MOST = 20  # indexes in one request; what goes beyond that is looked for row by row
_NAME = "_streamer_lookup_"


@frozen
class Reference:
    """What refers to a parent: a table, and the columns of a foreign key (target names).

    `cut` is one of these that is NULL in every row by now; '' where rows do refer.
    """

    child: str
    columns: tuple[str, ...]
    cut: str = ""


def without_lookups(deletes: Sequence[str], references: Sequence[Reference]) -> list[str]:
    """`deletes`, of what the `references` refer to, with indexes around them, for one request.

    The indexes are gone at its end, also where it fails: a request is a transaction.
    """
    numbered = list(enumerate(references[:MOST]))
    return [
        *(_make(number, one) for number, one in numbered),
        *deletes,
        *(f"DROP INDEX {_NAME}{number}" for number, _ in numbered),
    ]


def _make(number: int, one: Reference) -> str:
    columns = ", ".join(map(quote_identifier, one.columns))
    where = f" WHERE {quote_identifier(one.cut)} IS NOT NULL" if one.cut else ""
    return f"CREATE INDEX {_NAME}{number} ON {quote_identifier(one.child)} ({columns}){where}"
