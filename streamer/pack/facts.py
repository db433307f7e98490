"""What a run writes into its ledger of itself and its tables, so that a lost checkpoint can be made anew.

It comes with the claim, in the same request: whoever owns the tables has its facts there. The rows have
epoch 0, so that they count as nobody's batches.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import orjson

from streamer.model import Result, Statement, whole_number

OF_THE_RUN = ""  # in place of a table's name
_PART_BYTES = 1_000_000  # of one parameter; D1 takes limits.VALUE_BYTES
_FACTS, _EMPTIED = "facts", "emptied"

_FORGET = (
    "DELETE FROM _streamer_ledger WHERE run = ?2 AND step = 'facts' "
    'AND "table" IN (SELECT value->>0 FROM json_each(?1)) '
    'AND ("table", last) NOT IN (SELECT value->>0, value->>1 FROM json_each(?1))'
)
_RECORD = (
    'INSERT INTO _streamer_ledger("table", run, step, first, behind, last, next, rows, epoch) '
    "SELECT value->>0, ?2, ?3, 0, '', value->>1, 0, 0, 0 FROM json_each(?1) WHERE true "
    "ON CONFLICT DO NOTHING"
)
_READ = (
    'SELECT run, "table", step, last, EXISTS (SELECT 1 FROM _streamer_ledger AS o '
    'WHERE o."table" = l."table" AND o.run = l.run AND o.epoch > 0) '
    "FROM _streamer_ledger AS l WHERE step IN ('facts', 'emptied')"
)


def record_facts(facts: Mapping[str, str], run: str) -> list[Statement]:
    """Statements that write down a text for each table of a run (`OF_THE_RUN`: for the run itself).

    They replace older ones, and change nothing where these are equal. They belong into a request that
    fails unless the run owns the tables. Texts that D1 has no room for are left out.
    """
    statements: list[Statement] = []
    for part in _parts(facts):
        rows = orjson.dumps(part).decode()
        statements += [Statement.of(_FORGET, rows, run), Statement.of(_RECORD, rows, run, _FACTS)]
    return statements


def record_emptied(tables: Sequence[str], run: str) -> Statement:
    """Write down that the tables' old rows are gone; it belongs into a request that is guarded."""
    rows = orjson.dumps([[table, ""] for table in tables]).decode()
    return Statement.of(_RECORD, rows, run, _EMPTIED)


def read_facts() -> Statement:
    """All runs' facts; `facts_of` reads the answer. It fails where there is no ledger."""
    return Statement(_READ)


class Facts:
    """What the ledger knows of one run: `texts` by table, which were `emptied`, which `begun`.

    Into those that are begun this run has sent rows.
    """

    def __init__(self) -> None:
        self.texts: dict[str, str] = {}
        self.emptied: set[str] = set()
        self.begun: set[str] = set()


def facts_of(result: Result) -> dict[str, Facts]:
    """The answer to `read_facts`, by run."""
    runs: dict[str, Facts] = {}
    for run, table, step, text, begun in result.table(5):
        facts = runs.setdefault(str(run), Facts())
        if step == _EMPTIED:
            facts.emptied.add(str(table))
        else:
            facts.texts[str(table)] = str(text)
        if whole_number(begun):
            facts.begun.add(str(table))
    return runs


def _parts(facts: Mapping[str, str]) -> Iterator[list[tuple[str, str]]]:
    """The facts, as many at a time as one parameter may hold."""
    part: list[tuple[str, str]] = []
    size = 0
    for table, text in facts.items():
        more = len(orjson.dumps([table, text])) + 1
        if more > _PART_BYTES:
            continue
        if part and size + more > _PART_BYTES:
            yield part
            part, size = [], 0
        part.append((table, text))
        size += more
    if part:
        yield part
