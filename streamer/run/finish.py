"""What follows the rows: indexes, counts, foreign keys, and taking our own tables away."""

from __future__ import annotations

from collections.abc import Sequence

from streamer.d1 import TooLargeError
from streamer.errors import BadRowsError, StreamerError
from streamer.frozen import frozen
from streamer.model import IndexPlan, Result, Statement, TablePlan, whole_number
from streamer.model.plan import ViewPlan
from streamer.model.sql import quote_identifier
from streamer.pipeline import Position
from streamer.run.schema import repeatable
from streamer.run.sharing import Task
from streamer.run.survey import Database

CHECK_ROWS = 3_000_000  # rows that are counted or checked in one request of at most 30 s
CHECK_TABLES = 90  # in one request, a statement each

OPTIMIZE = Statement.of("PRAGMA optimize")
"""Has D1 refresh its planner's statistics; not worth failing a finished run for."""


@frozen
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
        weight = _weight(table, position)
        if not groups or rows + weight > CHECK_ROWS or len(groups[-1]) >= CHECK_TABLES:
            groups.append([])
            rows = 0
        groups[-1].append((table, position))
        rows += weight
    return groups


def check_load(tables: Sequence[tuple[TablePlan, Position]]) -> float:
    """The share of a request's time that checking `tables` takes."""
    return sum(_weight(table, position) for table, position in tables) / CHECK_ROWS


def _weight(table: TablePlan, position: Position) -> int:
    """Rows that are read to check a table."""
    return position.rows * (1 + len(table.foreign_keys))


async def check(database: Database, tables: Sequence[TablePlan]) -> dict[str, Checked]:
    """Count the rows of at most CHECK_TABLES tables, and those whose parent isn't there; by target name.

    Where that is too much for one request, fewer tables share one.
    """
    try:
        return await check_behind(database, (), tables)
    except TooLargeError as error:
        if len(tables) == 1:
            problem = f"{tables[0].target}: its rows couldn't be counted and checked: {error.what}"
            return {tables[0].target: Checked(0, 0, problem)}
    middle = len(tables) // 2
    first = await check(database, tables[:middle])
    return {**first, **await check(database, tables[middle:])}


async def check_behind(
    database: Database, before: Sequence[Statement], tables: Sequence[TablePlan]
) -> dict[str, Checked]:
    """The same in one request, in which `before` is executed first.

    Raises:
        BadRowsError, TooLargeError: D1 refuses a statement, or it was too much for one request.

    """
    answer = await database.execute([*before, *map(check_statement, tables)])
    return found_behind(answer.results, len(before), tables)


def found_behind(
    results: Sequence[Result], before: int, tables: Sequence[TablePlan]
) -> dict[str, Checked]:
    """What `check_statement` found of `tables`, by target name: the results behind so many `before`."""
    found: dict[str, Checked] = {}
    for table, result in zip(tables, results[before : before + len(tables)], strict=True):
        rows, orphans = map(whole_number, result.only(2))
        found[table.target] = Checked(rows, orphans)
    return found


def check_statement(table: TablePlan) -> Statement:
    """A table's rows, and those of them whose parent isn't there.

    A SELECT of nothing but `count(*)` is what SQLite takes from the pages' headers, without a look at rows.
    """
    literal = "'" + table.target.replace("'", "''") + "'"
    rows = f"(SELECT count(*) FROM {quote_identifier(table.target)})"
    orphans = f"(SELECT count(*) FROM pragma_foreign_key_check({literal}))"
    return Statement.of(f"SELECT {rows}, {orphans if table.foreign_keys else 0}")
