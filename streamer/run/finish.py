"""What follows the rows: indexes, counts, foreign keys, and taking our own tables away."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from streamer.d1 import TooLargeError
from streamer.errors import BadRowsError, StreamerError, TargetUnavailableError
from streamer.model import IndexPlan, Statement, TablePlan
from streamer.model.plan import ViewPlan
from streamer.model.sql import quote_identifier
from streamer.pipeline import Position
from streamer.run.schema import repeatable
from streamer.run.sharing import Task
from streamer.run.survey import Database

CHECK_ROWS = 3_000_000  # rows that are counted or checked in one request of at most 30 s


@dataclass(frozen=True, slots=True)
class Checked:
    """A table's count in the target and its rows whose parent is missing.

    `problem` says what D1 couldn't find out in the time that a request has; '' where it could.
    """

    rows: int
    orphans: int
    problem: str = ""


def index_statement(index: IndexPlan) -> Statement:
    """What builds an index, however often it is sent."""
    return Statement.of(repeatable(index.sql))


async def build_index(database: Database, index: IndexPlan) -> str:
    """Build one index; '' or, if D1 can't build it, a sentence that says why."""
    try:
        await database.execute([index_statement(index)])
    except (BadRowsError, TooLargeError) as error:
        return index_problem(index, error)
    return ""


def index_problem(index: IndexPlan, error: StreamerError) -> str:
    """A sentence that says why D1 can't build an index."""
    return f"{index.table}: the index {index.name} couldn't be built: {error.what}"


def after_task(table: TablePlan, guard: Statement) -> Task[TablePlan]:
    """What is to be done once a table's rows are there.

    `guard` fails the request once the table is another's.
    """
    return Task(table, (*map(Statement.of, table.after_sql), guard))


async def after_problem(table: TablePlan, error: StreamerError) -> str:
    """A sentence that says why D1 can't do it."""
    return f"{table.target}: what follows its rows couldn't be done: {error.what}"


def view_task(view: ViewPlan, *, anew: bool) -> Task[ViewPlan]:
    """What makes a view, and looks whether it can be read. With `anew`, one of that name goes first."""
    name = quote_identifier(view.target)
    dropped = [Statement.of(f"DROP VIEW IF EXISTS {name}")] if anew else []
    made = Statement.of(repeatable(view.create_sql))
    return Task(view, (*dropped, made, Statement.of(f"SELECT * FROM {name} LIMIT 0")))


async def view_problem(view: ViewPlan, error: StreamerError) -> str:
    """A sentence that says why D1 can't make the view."""
    return f"{view.source}: the view couldn't be made: {error.what}"


def check_groups(
    tables: Sequence[tuple[TablePlan, Position]],
) -> list[list[tuple[TablePlan, Position]]]:
    """Cut `tables` into groups that are checked in one request each."""
    groups: list[list[tuple[TablePlan, Position]]] = []
    rows = 0
    for table, position in tables:
        weight = position.rows * (1 + len(table.foreign_keys))
        if not groups or rows + weight > CHECK_ROWS or len(groups[-1]) >= 45:
            groups.append([])
            rows = 0
        groups[-1].append((table, position))
        rows += weight
    return groups


async def check(database: Database, tables: Sequence[TablePlan]) -> dict[str, Checked]:
    """Count the rows of at most 45 tables, and those whose parent isn't there; by target name.

    Where that is too much for one request, fewer tables share one.
    """
    try:
        return await _check_at_once(database, tables)
    except TooLargeError as error:
        if len(tables) == 1:
            problem = f"{tables[0].target}: its rows couldn't be counted and checked: {error.what}"
            return {tables[0].target: Checked(0, 0, problem)}
    middle = len(tables) // 2
    first = await check(database, tables[:middle])
    return {**first, **await check(database, tables[middle:])}


async def _check_at_once(database: Database, tables: Sequence[TablePlan]) -> dict[str, Checked]:
    statements: list[Statement] = []
    for table in tables:
        name = quote_identifier(table.target)
        statements.append(Statement.of(f"SELECT count(*) FROM {name}"))
        literal = "'" + table.target.replace("'", "''") + "'"
        statements.append(
            Statement.of(f"SELECT count(*) FROM pragma_foreign_key_check({literal})")
            if table.foreign_keys
            else Statement.of("SELECT 0")
        )
    answer = await database.execute(statements)
    numbers = [int(float(str(result.rows[0][0]))) for result in answer.results]
    return {
        table.target: Checked(rows=numbers[2 * at], orphans=numbers[2 * at + 1])
        for at, table in enumerate(tables)
    }


async def optimize(database: Database) -> None:
    """Let D1 refresh its planner's statistics; not worth failing a finished run for."""
    try:
        await database.execute([Statement.of("PRAGMA optimize")])
    except (BadRowsError, TooLargeError, TargetUnavailableError):
        return
