"""Small jobs that share requests: a thousand empty tables must not cost a request an index."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator, Sequence
from typing import Generic, TypeVar

from streamer import limits
from streamer.d1 import TooLargeError
from streamer.errors import BadRowsError
from streamer.frozen import frozen
from streamer.model import IndexPlan, Statement, TablePlan
from streamer.pipeline import Position
from streamer.run.survey import Database
from streamer.translate.indexes import LARGE_INDEX_BYTES, LARGE_TABLE_BYTES

BODY_BYTES = 1_000_000  # of statements without rows in one request
_ENTRY_BYTES = 22  # of an index over one integer

T = TypeVar("T")


@frozen
class Task(Generic[T]):
    """Statements that belong together and can be sent again; `of` says what they are about.

    `load` is the share that they take of what one request can do in its time, as far as anybody
    knows: tasks whose loads are above 1 in all don't share a request.
    """

    of: T
    statements: tuple[Statement, ...]
    load: float = 0.0


@frozen
class Outcome(Generic[T]):
    """A request's tasks: they are done, or there is one alone, and D1's objection to it."""

    tasks: tuple[Task[T], ...]
    error: BadRowsError | TooLargeError | None = None


async def together(database: Database, tasks: Sequence[Task[T]]) -> AsyncGenerator[Outcome[T]]:
    """Carry out all tasks in their order, in few requests, each of which is one transaction.

    What fails together is tried in halves, until those that fail stand alone. Whoever stops asking
    for outcomes stops the tasks behind them.
    """
    waiting = list(_groups(tasks))[::-1]
    while waiting:
        group = waiting.pop()
        try:
            await database.execute([s for task in group for s in task.statements])
        except (BadRowsError, TooLargeError) as error:
            if len(group) == 1:
                yield Outcome(group, error)
            else:
                middle = len(group) // 2
                waiting += [group[middle:], group[:middle]]
            continue
        yield Outcome(group)


def index_load(index: IndexPlan, table: TablePlan, position: Position) -> float:
    """The share of a request's time that building an index takes, its table's rows being loaded.

    By what PostgreSQL's index and table take, and by what was sent of the table, whichever is more.
    """
    entries = max(index.source_bytes, position.rows * _ENTRY_BYTES)
    read = max(table.table.bytes, position.bytes)
    return entries / LARGE_INDEX_BYTES + read / LARGE_TABLE_BYTES


def _groups(tasks: Sequence[Task[T]]) -> Iterator[tuple[Task[T], ...]]:
    """Cut `tasks` into those of one request each, in their order."""
    group: list[Task[T]] = []
    statements = size = 0
    load = 0.0
    for task in tasks:
        its_bytes = sum(statement.bytes for statement in task.statements)
        fits = (
            statements + len(task.statements) <= limits.BATCH_STATEMENTS
            and size + its_bytes <= BODY_BYTES
            and load + task.load <= 1.0
        )
        if group and not fits:
            yield tuple(group)
            group, statements, size, load = [], 0, 0, 0.0
        group.append(task)
        statements += len(task.statements)
        size += its_bytes
        load += task.load
    if group:
        yield tuple(group)
