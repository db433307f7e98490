"""What follows the rows: indexes, counts, foreign keys, and taking our own tables away."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from streamer.d1 import TooLargeError
from streamer.errors import BadRowsError, FencedError, TargetUnavailableError
from streamer.model import IndexPlan, Statement, TablePlan
from streamer.model.plan import ViewPlan
from streamer.model.sql import quote_identifier
from streamer.pipeline import Position
from streamer.run.schema import repeatable
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


async def build_index(database: Database, index: IndexPlan) -> str:
    """Build one index; '' or, if D1 can't build it, a sentence that says why."""
    try:
        await database.execute([Statement.of(repeatable(index.sql))])
    except FencedError:
        raise
    except (BadRowsError, TooLargeError) as error:
        return f"{index.table}: the index {index.name} couldn't be built: {error.what}"
    return ""


async def do_after(database: Database, table: TablePlan, guard: Statement) -> str:
    """Do what is to be done once a table's rows are there; '' or, if D1 can't, why.

    `guard` fails the request once the table is another's.
    """
    try:
        await database.execute([*map(Statement.of, table.after_sql), guard])
    except (BadRowsError, TooLargeError) as error:
        return f"{table.target}: what follows its rows couldn't be done: {error.what}"
    return ""


async def make_view(database: Database, view: ViewPlan, *, anew: bool) -> str:
    """Make one view, and look whether it can be read; '' or, if it can't be made, why.

    With `anew`, one of that name goes first.
    """
    name = quote_identifier(view.target)
    dropped = [Statement.of(f"DROP VIEW IF EXISTS {name}")] if anew else []
    made = Statement.of(repeatable(view.create_sql))
    try:
        await database.execute([*dropped, made, Statement.of(f"SELECT * FROM {name} LIMIT 0")])
    except FencedError:
        raise
    except (BadRowsError, TooLargeError) as error:
        return f"{view.source}: the view couldn't be made: {error.what}"
    return ""


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
