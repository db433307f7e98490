"""What a run leaves in the target while it lasts: who owns the tables, and which keys have come.

`_streamer_owner` fences: every start and resume takes the tables over with a higher epoch, and each
batch takes its epoch from there into a NOT NULL column, so that a batch of an outdated epoch or of
another run fails, and with it its whole request. `_streamer_ledger` remembers key intervals: enough to
make a lost checkpoint anew, and to see that the target was restored to an earlier state.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import orjson

from streamer.frozen import frozen
from streamer.model import Batch, Chunk, Key, Result, Statement, StepId, StepKind, whole_number

OWNER_TABLE = "_streamer_owner"
LEDGER_TABLE = "_streamer_ledger"

_CREATE_OWNER = (
    'CREATE TABLE IF NOT EXISTS _streamer_owner("table" TEXT COLLATE NOCASE PRIMARY KEY NOT NULL, '
    "run TEXT NOT NULL, epoch INTEGER NOT NULL, holder TEXT NOT NULL) WITHOUT ROWID"
)
_CREATE_LEDGER = (
    'CREATE TABLE IF NOT EXISTS _streamer_ledger("table" TEXT COLLATE NOCASE NOT NULL, '
    "run TEXT NOT NULL, step TEXT NOT NULL, first INTEGER NOT NULL, behind TEXT NOT NULL, "
    "last TEXT NOT NULL, next INTEGER NOT NULL, rows INTEGER NOT NULL, epoch INTEGER NOT NULL, "
    'PRIMARY KEY("table", run, step, first, behind, last)) WITHOUT ROWID'
)
_TAKE_OVER = (
    'INSERT INTO _streamer_owner("table", run, epoch, holder) '
    "SELECT c.value->>0, ?2, CASE WHEN o.run IS c.value->>1 AND o.epoch IS CAST(c.value->>2 AS INTEGER) "
    "OR (o.run = ?2 AND o.epoch = ?3 AND o.holder = ?4) THEN ?3 END, ?4 "
    'FROM json_each(?1) AS c LEFT JOIN _streamer_owner AS o ON o."table" = c.value->>0 WHERE true '
    'ON CONFLICT("table") DO UPDATE SET run=excluded.run, epoch=excluded.epoch, '
    "holder=excluded.holder WHERE (_streamer_owner.epoch, _streamer_owner.holder) "
    "IS NOT (excluded.epoch, excluded.holder)"
)
_RECORD = (
    'INSERT INTO _streamer_ledger AS o("table", step, first, behind, last, next, rows, run, epoch) '
    "SELECT value->>0, value->>1, value->>2, value->>3, value->>4, value->>5, value->>6, ?2, "
    '(SELECT epoch FROM _streamer_owner WHERE "table" = value->>0 AND run = ?2 AND epoch = ?3) '
    'FROM json_each(?1) WHERE true ON CONFLICT("table", run, step, first, behind, last) '
    "DO UPDATE SET next=excluded.next, rows=excluded.rows, epoch=excluded.epoch "
    "WHERE (o.next, o.rows, o.epoch) IS NOT (excluded.next, excluded.rows, excluded.epoch)"
)
_READ_OWNERS = 'SELECT "table", run, CAST(epoch AS TEXT), holder FROM _streamer_owner'
_READ_LEDGER = (
    'SELECT "table", step, first, behind, last, next, rows, '
    '(SELECT r.rows FROM _streamer_ledger AS r WHERE (r."table", r.run, r.step, r.first, r.behind, '
    "r.last) = (o.\"table\", o.run, o.step || '-rejected', o.first, o.behind, o.last) "
    "AND r.epoch = o.epoch) FROM _streamer_ledger AS o WHERE run = ?1 "
    'AND "table" = ?2 AND step = ?3 ORDER BY first, behind, last'
)
_REFUSE_IF_USED = (
    'INSERT INTO _streamer_owner("table", run, epoch, holder) '
    "SELECT '', '', NULL, '' FROM _streamer_owner LIMIT 1"
)
_REFUSE_UNLESS_BEFORE_ROWS = (
    "INSERT INTO _streamer_owner(\"table\", run, epoch, holder) SELECT '', '', NULL, '' "
    "WHERE EXISTS (SELECT 1 FROM _streamer_ledger WHERE run = ?2 AND epoch = ?3) "
    "OR EXISTS (SELECT 1 FROM json_each(?1) AS t WHERE NOT EXISTS (SELECT 1 FROM _streamer_owner AS o "
    'WHERE o."table" = t.value AND o.run = ?2 AND o.epoch = ?3))'
)
_REFUSE_IF_THERE = (
    "INSERT INTO _streamer_owner(\"table\", run, epoch, holder) SELECT '', '', NULL, '' "
    "WHERE EXISTS (SELECT 1 FROM json_each(?1) AS t, sqlite_master AS m "
    "WHERE m.name = t.value COLLATE NOCASE AND NOT EXISTS (SELECT 1 FROM _streamer_owner AS o "
    'WHERE o."table" = t.value AND o.run = ?2 AND o.epoch = ?3 AND o.holder = ?4))'
)
_FORGET = (
    "DELETE FROM _streamer_ledger WHERE run = ?2 AND epoch < ?3 "
    'AND ("table", step) IN (SELECT value->>0, value->>1 FROM json_each(?1))'
)
_FORGET_RUN = (
    "DELETE FROM _streamer_ledger WHERE run = ?1 AND NOT EXISTS "
    "(SELECT 1 FROM _streamer_owner WHERE run = ?1 AND epoch > ?2)"
)
_DISOWN = (
    "DELETE FROM _streamer_owner WHERE run = ?2 AND epoch <= ?3 "
    'AND "table" IN (SELECT value FROM json_each(?1))'
)
_FORGET_NUMBERS = (
    "DELETE FROM _streamer_ledger WHERE run = ?2 AND epoch < ?3 AND EXISTS (SELECT 1 FROM json_each(?1) AS s "
    'WHERE _streamer_ledger."table" = s.value->>0 AND _streamer_ledger.step = s.value->>1 '
    "AND _streamer_ledger.first >= CAST(s.value->>2 AS INTEGER))"
)
_BEGINNING = ""
_REJECTED = "-rejected"
_NAME_BYTES = 640  # a table's name of 63 bytes, escaped three times over, and the numbers

LEDGER_FRAME_BYTES = Statement.of(_RECORD, "[]", "0" * 40, "0" * 20).bytes + 1
"""What the ledger statement of a batch takes in a request's body, its entries left out."""


@frozen
class Owner:
    """Who may write a table: a run, and which of its starts (`epoch` from 1, `holder` names it)."""

    table: str
    run: str
    epoch: int
    holder: str


@frozen
class LedgerStep:
    """What the ledger calls a step: the target's table and the kind of step.

    `keys_hidden`: the keys must not be written there, since the run masks or hides them. Then
    entries claim numbers of chunks only.
    """

    table: str
    kind: StepKind
    keys_hidden: bool = False


@frozen
class Entry:
    """Rows of a step that arrived, in the chunks numbered [first, next).

    They lie behind the key `after` (None: from the beginning) up to and with `last` (None: the entry
    claims no keys). One that claims nothing at all, where keys are hidden, has a negative number.
    `rejected` counts the rows between these keys that D1 will never take.
    """

    table: str
    kind: StepKind
    first: int
    next: int
    after: Key | None
    last: Key | None
    rows: int
    rejected: int = 0


def create_ledger() -> tuple[Statement, ...]:
    """Make both tables where they aren't there."""
    return Statement(_CREATE_OWNER), Statement(_CREATE_LEDGER)


def read_owners() -> Statement:
    """All owner rows; `owners_of` reads the answer."""
    return Statement(_READ_OWNERS)


def owners_of(result: Result) -> tuple[Owner, ...]:
    """The answer to `read_owners`."""
    return tuple(
        Owner(str(table), str(run), whole_number(epoch), str(holder))
        for table, run, epoch, holder in result.table(4)
    )


def take_over(
    tables: Sequence[str], seen: Iterable[Owner], *, run: str, epoch: int, holder: str
) -> Statement:
    """Make `run` the owner of all `tables`, or of none.

    Where an owner row isn't as it was `seen` (missing: nobody owned the table), the request fails and
    names `_streamer_owner`. `holder` is a name that no other start ever had: it lets the request be
    sent again after an answer was lost, while of two that saw the same owner only one wins.
    """
    by_table = {_folded(owner.table): owner for owner in seen}
    owners = [by_table.get(_folded(table)) for table in tables]
    claims = [
        [table, owner.run, str(owner.epoch)] if owner else [table, None, None]
        for table, owner in zip(tables, owners, strict=True)
    ]
    return Statement.of(_TAKE_OVER, orjson.dumps(claims).decode(), run, str(epoch), holder)


def record_batch(
    batch: Batch, steps: Mapping[StepId, LedgerStep], *, run: str, epoch: int
) -> Statement:
    """The statement that belongs into every batch's request: it notes what came.

    It fails the whole request, naming `_streamer_ledger`, where one of the tables has another owner
    or a newer epoch.
    """
    entries = entries_for(batch, steps)
    rows = [_row(entry, entry.kind.value, entry.rows) for entry in entries]
    rows += [_row(e, f"{e.kind.value}{_REJECTED}", e.rejected) for e in entries if e.rejected]
    return Statement.of(_RECORD, orjson.dumps(rows).decode(), run, str(epoch))


def _row(entry: Entry, step: str, count: int) -> list[str]:
    return [
        entry.table,
        step,
        str(entry.first),
        _key_text(entry.after),
        _key_text(entry.last),
        str(entry.next),
        str(count),
    ]


def before_rows(tables: Sequence[str], *, run: str, epoch: int) -> Statement:
    """The statement that belongs into requests that empty, drop or make tables for the rows to come.

    It fails the whole request where one of `tables` has another owner or a newer epoch, and once the
    first batch of this epoch has come: a request whose answer was lost may be executed late, and
    must not take away what came meanwhile.
    """
    names = orjson.dumps(tables).decode()
    return Statement.of(_REFUSE_UNLESS_BEFORE_ROWS, names, run, str(epoch))


def refuse_if_there(tables: Sequence[str], *, run: str, epoch: int, holder: str) -> Statement:
    """The statement that belongs before a claim of `tables` that are made with it.

    It fails the whole request where one is there, unless this very start owns it. So a request whose
    answer was lost can be sent again; and executed late, when the run is over and its marks are gone, it
    leaves none.
    """
    names = orjson.dumps(tables).decode()
    return Statement.of(_REFUSE_IF_THERE, names, run, str(epoch), holder)


def entries_for(batch: Batch, steps: Mapping[StepId, LedgerStep]) -> list[Entry]:
    """One entry for each contiguous run of a step's chunks in a batch."""
    open_entries: dict[StepId, Entry] = {}
    closed: list[Entry] = []
    for chunk in batch.chunks:
        entry = _entry(chunk, steps[chunk.step])
        before = open_entries.get(chunk.step)
        if before and _joins(before, entry):
            entry = replace(
                before,
                next=entry.next,
                last=entry.last,
                rows=before.rows + entry.rows,
                rejected=before.rejected + entry.rejected,
            )
        elif before:
            closed.append(before)
        open_entries[chunk.step] = entry
    return [*closed, *open_entries.values()]


def entry_bytes(chunk: Chunk) -> int:
    """At most what a chunk adds to the ledger statement in a request's body."""
    keys = orjson.dumps([_key_text(chunk.after), _key_text(chunk.last)])
    size = _NAME_BYTES + len(orjson.dumps(keys.decode()))
    return 2 * size if chunk.rejected else size


def read_ledger(run: str, table: str, kind: StepKind) -> Statement:
    """A run's entries of one step of a table; `entries_of` reads the answer."""
    return Statement.of(_READ_LEDGER, run, table, kind.value)


def forget(steps: Iterable[LedgerStep], *, run: str, epoch: int) -> Statement:
    """Take back what older epochs of a run claim to have written of `steps`, which start over."""
    kinds = [(step.table, step.kind.value) for step in steps]
    names = [[table, kind + of] for table, kind in kinds for of in ("", _REJECTED)]
    return Statement.of(_FORGET, orjson.dumps(names).decode(), run, str(epoch))


def forget_numbers(reached: Mapping[LedgerStep, int], *, run: str, epoch: int) -> Statement:
    """Take back what older epochs of a run claim of steps from the number on that each has reached.

    Chunks get these numbers anew, at other boundaries.
    """
    rows = [[step.table, step.kind.value, str(number)] for step, number in reached.items()]
    return Statement.of(_FORGET_NUMBERS, orjson.dumps(rows).decode(), run, str(epoch))


def entries_of(result: Result) -> tuple[Entry, ...]:
    """The answer to `read_ledger`."""
    return tuple(
        Entry(
            table=str(table),
            kind=StepKind(str(kind)),
            first=whole_number(first),
            next=whole_number(following),
            after=_key(str(after)),
            last=_key(str(last)),
            rows=whole_number(rows),
            rejected=whole_number(rejected or 0),
        )
        for table, kind, first, after, last, following, rows, rejected in result.table(8)
    )


def release(tables: Sequence[str], *, run: str, epoch: int) -> tuple[Statement, ...]:
    """Forget a finished run: its ledger, and its ownership of `tables`. Can be sent again.

    Once a newer start of the run owns a table, nothing of that start goes: a request that a killed
    start sent may be executed late.
    """
    names = orjson.dumps(tables).decode()
    return (
        *create_ledger(),
        Statement.of(_FORGET_RUN, run, str(epoch)),
        Statement.of(_DISOWN, names, run, str(epoch)),
    )


def drop_unused() -> tuple[Statement, ...]:
    """Drop both tables, to be sent as one request; it can be sent again.

    While a run owns anything it fails, naming `_streamer_owner`, and they stay.
    """
    return (
        *create_ledger(),
        Statement(_REFUSE_IF_USED),
        Statement(f"DROP TABLE {LEDGER_TABLE}"),
        Statement(f"DROP TABLE {OWNER_TABLE}"),
    )


def _folded(name: str) -> str:
    """A table's name as SQLite compares it: without case, in ASCII only."""
    return name.encode().lower().decode()


def _entry(chunk: Chunk, step: LedgerStep) -> Entry:
    shown = chunk.claims and not step.keys_hidden
    # Numbers are all that hidden keys leave to claim; an entry without a claim must have none.
    nothing = step.keys_hidden and not chunk.claims
    first = -1 - chunk.number if nothing else chunk.number
    return Entry(
        table=step.table,
        kind=step.kind,
        first=first,
        next=first if nothing else first + 1,
        after=chunk.after if shown else None,
        last=chunk.last if shown else None,
        rows=chunk.rows + (chunk.before if chunk.claims else 0),
        rejected=len(chunk.rejected) if shown else 0,
    )


def _joins(before: Entry, entry: Entry) -> bool:
    """Whether `entry` goes on where `before` ends, both claiming keys or neither."""
    if entry.first != before.next:
        return False
    if entry.last is None or before.last is None:
        return entry.last == before.last
    return entry.after == before.last


def _key_text(key: Key | None) -> str:
    return _BEGINNING if key is None else orjson.dumps(key).decode()


def _key(text: str) -> Key | None:
    return None if text == _BEGINNING else tuple(orjson.loads(text))
