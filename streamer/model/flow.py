"""What flows: pages of rows, chunks of statements, batches, and what D1 answers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field, replace
from enum import StrEnum
from functools import lru_cache
from typing import NewType

import orjson

from streamer.errors import OddAnswerError
from streamer.frozen import frozen, slotted
from streamer.model.printed import PrintedRows, printed_cells

Key = tuple[str, ...]
"""A row's key: one text a key column, as PostgreSQL's output function prints it."""

StepId = NewType("StepId", int)
"""A step's number in the checkpoint, stable over resumes."""


class StepKind(StrEnum):
    """What is done to a table, in this order: its rows, the deferred columns of its rows."""

    ROWS = "rows"
    EDGES = "edges"


@frozen
class Page:
    """Rows of one FETCH, in key order; never without any row that was read.

    Each record is a sequence of texts (None is NULL): the first `width` are the cells to store
    (or a single one, the whole row as a JSON array, when `json_rows`), and those at the indexes `key_cells` are the key's texts;
    where there is nothing but such a row, `key_cells` are indexes into it.
    `snapshot` numbers the snapshot that it was read in. Where a rule left rows out, `left_out` says
    how many of them lay before each record, and at its end how many behind the last one; `upto` is then the
    key of the last row that was read (None: the last record's).
    """

    records: Sequence[Sequence[str | None]]
    width: int
    key_cells: tuple[int, ...]
    json_rows: bool = False
    snapshot: int = 0
    left_out: Sequence[int] = ()
    upto: Key | None = None

    @property
    def rows_read(self) -> int:
        """Records, and rows that were left out."""
        return len(self.records) + sum(self.left_out)

    @property
    def last(self) -> Key:
        """The key of the last row that was read."""
        return self.upto if self.upto is not None else self.key_of(len(self.records) - 1)

    def key_of(self, index: int) -> Key:
        """The key of the record at `index`."""
        record = self.records[index]
        if self.json_rows and len(record) == 1:
            record = printed_cells(str(record[0]))
        return tuple([str(record[cell]) for cell in self.key_cells])


@frozen
class Statement:
    """One SQL statement and its parameters.

    These are the text of a JSON array, or rows as the server printed them, whose JSON is the only one:
    who needs no request in JSON is spared writing and reading them once more.
    """

    sql: str
    params: bytes | PrintedRows = b"[]"

    @classmethod
    def of(cls, sql: str, *params: str | None) -> Statement:
        """A statement with its parameters still to encode."""
        return cls(sql, orjson.dumps(params))

    @property
    def pieces(self) -> Iterator[bytes]:
        """The statement as a JSON object of the API's `batch`, piece by piece; anew each time."""
        yield _head(self.sql)
        if isinstance(self.params, PrintedRows):
            yield from self.params.as_parameter()
        else:
            yield self.params
        yield b"}"

    @property
    def bytes(self) -> int:
        """How long that is."""
        written = self.params
        size = written.parameter_bytes if isinstance(written, PrintedRows) else len(written)
        return len(_head(self.sql)) + size + len("}")

    def values(self) -> list[object]:
        """The parameters as a target reads them: rows as text."""
        if isinstance(self.params, PrintedRows):
            return [self.params.as_json().decode()]
        return orjson.loads(self.params)


@lru_cache(maxsize=256)
def _head(sql: str) -> bytes:
    """A table's rows travel under the same SQL again and again."""
    return b'{"sql":' + orjson.dumps(sql) + b',"params":'


@frozen
class Reject:
    """A row that D1 will never take: its key, as the target would have it, and D1's reason.

    `line` names its line in the file of rejected rows, which is durable when there is a Reject.
    """

    line: str
    key: Key
    reason: str


@frozen
class Chunk:
    """Consecutive rows of one step, packed: the unit that is acknowledged.

    `number` counts a step's chunks in key order. `after` is the key they start behind (None: the
    table's beginning), `last` the key of the last row. The statements travel in one request, in this
    order. `bytes` is their size in the request body, a comma after each included. `claims` is false
    for a part whose rest follows in a later request: only the last part may claim the keys. `gone`
    counts rows that were read and that the source had no more when they were sent; `rows` doesn't
    count them, and the one with the key `last` may be among them. Nor does it count the rows that a rule
    left out, `skipped` in number; `last_skipped`: the one with the key `last` is among these.
    Those `rejected` aren't counted either, and the one with the key `last` may be among them. `before`
    counts rows of the same interval that earlier requests have written, where this is its last part.
    """

    step: StepId
    number: int
    rows: int
    after: Key | None
    last: Key
    statements: tuple[Statement, ...]
    bytes: int
    snapshot: int = 0
    claims: bool = True
    gone: int = 0
    skipped: int = 0
    last_skipped: bool = False
    rejected: tuple[Reject, ...] = ()
    before: int = 0


@frozen
class Batch:
    """Chunks that are sent in one request, and so in one transaction."""

    chunks: tuple[Chunk, ...]

    @property
    def bytes(self) -> int:
        """Size of the chunks' statements in the request body."""
        return sum(chunk.bytes for chunk in self.chunks)

    @property
    def rows(self) -> int:
        """Rows in all chunks."""
        return sum(chunk.rows for chunk in self.chunks)

    @property
    def statements(self) -> int:
        """Statements that carry rows."""
        return sum(len(chunk.statements) for chunk in self.chunks)


def whole_number(cell: object) -> int:
    """A whole number as an answer has it: as a number, perhaps as 3.0, or as text.

    Raises:
        OddAnswerError: it is none.

    """
    text = str(int(cell) if isinstance(cell, bool) else cell)
    try:
        return int(text)
    except ValueError:
        pass
    try:
        return int(float(text))
    except (ValueError, OverflowError):
        raise OddAnswerError("something else came where there is always a whole number") from None


@frozen
class Result:
    """One statement's answer: column names, rows as the API's JSON gives them, and its meta."""

    columns: tuple[str, ...] = ()
    rows: tuple[tuple[object, ...], ...] = ()
    rows_written: int = 0
    rows_read: int = 0
    size_after: int = 0
    duration_ms: float = 0.0

    def table(self, width: int) -> tuple[tuple[object, ...], ...]:
        """The rows, each of which has `width` cells.

        Raises:
            OddAnswerError: some have not.

        """
        if any(len(row) != width for row in self.rows):
            raise OddAnswerError(f"a row has other columns than the {width} that were asked for")
        return self.rows

    def only(self, width: int) -> tuple[object, ...]:
        """The row of `width` cells of a statement that always gives one.

        Raises:
            OddAnswerError: there are none, or several, or others.

        """
        rows = self.table(width)
        if len(rows) != 1:
            raise OddAnswerError(f"{len(rows)} rows came where there is always one")
        return rows[0]

    @property
    def number(self) -> int:
        """What a statement counted that gives nothing else; OddAnswerError where that isn't there."""
        return whole_number(self.only(1)[0])


@frozen
class Answer:
    """The answer to one request, a result for each statement, and what it took.

    `attempts` counts every request sent for it, the successful one included; `seconds` is the
    last attempt's; `rate_limited` counts the 429 answers among them. `gone` says of chunks, by step
    and number, how many of their rows weren't written because the source had them no more,
    `rejected` which weren't because D1 will never take them.
    """

    results: tuple[Result, ...]
    attempts: int = 1
    seconds: float = 0.0
    rate_limited: int = 0
    sent_bytes: int = 0
    gone: Mapping[tuple[StepId, int], int] = field(default_factory=dict["tuple[StepId, int]", int])
    rejected: Mapping[tuple[StepId, int], tuple[Reject, ...]] = field(
        default_factory=dict["tuple[StepId, int]", "tuple[Reject, ...]"]
    )

    def with_gone(self, batch: Batch) -> Answer:
        """The same, where rows of `batch` were known to be gone before it was sent.

        A count of those that were found gone while it was sent holds these: the larger one is right.
        """
        before: Counter[tuple[StepId, int]] = Counter()
        for chunk in batch.chunks:
            before[chunk.step, chunk.number] += chunk.gone
        return replace(self, gone=Counter(self.gone) | before)

    @property
    def rows_written(self) -> int:
        """D1's billed rows of all statements."""
        return sum(result.rows_written for result in self.results)

    @property
    def size_after(self) -> int:
        """The database's size in bytes, as the last statement saw it."""
        return self.results[-1].size_after if self.results else 0


@slotted
class PageSize:
    """How many rows the next FETCH should ask for; the packer adjusts it, the reader obeys.

    `whole_rows`: the server may print each row as one JSON array (see Page), as it likes. `row_bytes`
    are those of a packed row of the page before (0: there was none), and `spread` says by which share
    they changed of late from page to page.
    """

    rows: int = field(default=200)
    whole_rows: bool = False
    row_bytes: float = 0.0
    spread: float = 0.04
