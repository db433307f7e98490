"""Asks PostgreSQL what only the rows can answer: one scan a table for all cheap questions."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Protocol, TypeVar

import asyncpg

from streamer.errors import SourceError, leaves
from streamer.model import Answered, QualifiedName, Question, TableKind, TablePlan
from streamer.plan.source_sql import key_order, name_sql, rows_sql
from streamer.postgres.answers import counted, rows_of
from streamer.postgres.connect import Session
from streamer.postgres.failures import timed_out

T = TypeVar("T")

AT_A_TIME = 3
KEYS = 20
_CONDITIONS = 500  # of a scan; PostgreSQL's limit of outputs is 1,664
_NAME_LETTERS = 100

# A whole table is scanned, so PostgreSQL may plan as it likes, and use the workers it has.
_FREELY = """
SET LOCAL enable_sort TO DEFAULT; SET LOCAL max_parallel_workers_per_gather TO DEFAULT;
SET LOCAL synchronize_seqscans TO DEFAULT"""

_OWN_ROWS = frozenset({TableKind.TABLE, TableKind.MATERIALIZED_VIEW})

# No statistics may say yet that hardly any rows are meant.
_BY_INDEX = "SET LOCAL enable_seqscan = off"


class Ask(Protocol):
    """Does some work in a read-only transaction of its own, again where that may help."""

    async def __call__(self, doing: str, work: Callable[[Session], Awaitable[T]]) -> T:
        """Return what `work` returns; `doing` is for errors."""
        ...


async def ask_all(
    questions: Sequence[Question], tables: Iterable[TablePlan], ask: Ask
) -> list[Answered]:
    """Every question's answer, in the order of the questions.

    Tables that nothing is asked of aren't touched; of the others AT_A_TIME are scanned together.
    Of each finding that names `{keys}` the first KEYS are fetched, unless there are no such rows.
    """
    plans = {plan.name: plan for plan in tables}
    of_table: dict[QualifiedName, list[int]] = {}
    for number, question in enumerate(questions):
        of_table.setdefault(question.table, []).append(number)
    answers: dict[int, Answered] = {}
    places = asyncio.Semaphore(AT_A_TIME)

    async def answer(name: QualifiedName, numbers: Sequence[int]) -> None:
        async with places:
            asked = [questions[number] for number in numbers]
            found = await _ask_of(plans[name], asked, ask)
        answers.update(zip(numbers, found, strict=True))

    try:
        async with asyncio.TaskGroup() as group:
            for name, numbers in of_table.items():
                group.create_task(answer(name, numbers), name=f"questions-{name}")
    except BaseExceptionGroup as several:
        raise next(leaves(several)) from None
    return [answers[number] for number in range(len(questions))]


async def _ask_of(plan: TablePlan, questions: Sequence[Question], ask: Ask) -> list[Answered]:
    doing = f"counting rows of {plan.name}"
    counts: dict[int, int] = {}

    async def scan(query: str, numbers: Sequence[int], way: str = _FREELY) -> None:
        async def work(session: Session) -> Sequence[int]:
            await session.execute(way)
            try:
                row = await counted(session, query)
            except asyncpg.PostgresError as error:
                raise _too_slow(plan) if timed_out(error) else error from None
            return [int(cell) for cell in row]

        counts.update(zip(numbers, await ask(doing, work), strict=True))

    async def scan_together(conditions: Mapping[int, str]) -> None:
        every = [*conditions]
        for start in range(0, len(every), _CONDITIONS):
            numbers = every[start : start + _CONDITIONS]
            await scan(count_query(plan, [conditions[n] for n in numbers]), numbers)

    for number, question in enumerate(questions):
        if question.indexed:
            await scan(lookup_query(plan, question.condition), [number], _BY_INDEX)
    cheap = {
        n: one for n, one in enumerate(questions) if not (one.alone or one.query or one.indexed)
    }
    await scan_together({n: one.necessary or one.condition for n, one in cheap.items()})
    await scan_together(
        {n: one.condition for n, one in cheap.items() if one.necessary and counts[n]}
    )
    for number, question in enumerate(questions):
        if question.alone or question.query:
            await scan(question.query or count_query(plan, [question.condition]), [number])
    return [
        Answered(question, counts[number], await _keys(plan, question, counts[number], ask))
        for number, question in enumerate(questions)
    ]


def _too_slow(plan: TablePlan) -> SourceError:
    """A scan that the server cut short would be cut short again: waiting doesn't help."""
    return SourceError(
        f"PostgreSQL cancelled counting rows of {plan.name}: statement_timeout is too short for it.",
        hint="Raise it for the role that reads: ALTER ROLE … SET statement_timeout = 0.",
    )


async def _keys(
    plan: TablePlan, question: Question, rows: int, ask: Ask
) -> tuple[tuple[str, int | None], ...]:
    query = keys_query(plan, question)
    if not (rows and query and names_keys(question)):
        return ()

    async def work(session: Session) -> list[tuple[str, int | None]]:
        await session.execute(_FREELY)
        records = await rows_of(session, query)
        return [(_printable(record["name"] or "NULL"), record["size"]) for record in records]

    return tuple(await ask(f"looking for rows of {plan.name}", work))


def names_keys(question: Question) -> bool:
    """Whether the question's finding wants to name rows."""
    return "{keys}" in question.finding.what + question.finding.hint


def count_query(plan: TablePlan, conditions: Sequence[str]) -> str:
    """One row: for how many of the rows that are moved each condition is true.

    PostgreSQL looks at most rows of its own tables once, at those for which none is true. Not so where a condition could
    be asked too early or not at all: a cast may only be possible where the user's own condition or a view's is
    true, which PostgreSQL asks in any order; and of a foreign table it believes what nobody enforces.
    """
    counts = ", ".join(f"count(*) FILTER (WHERE {condition}\n)" for condition in conditions)
    once = plan.table.kind in _OWN_ROWS and not plan.where.strip()
    any_ = [" OR ".join(f"({one}\n)" for one in conditions)] if once else []
    return f"SELECT {counts} {rows_sql(plan.table, plan.where, any_)}"


def lookup_query(plan: TablePlan, condition: str) -> str:
    """One row: for how many of the rows that are moved the condition is true, which an index knows."""
    return f"SELECT count(*) {rows_sql(plan.table, plan.where, [condition])}"


def keys_query(plan: TablePlan, question: Question) -> str:
    """The first rows' keys in key order, as `name` and `size`; '' where rows have none.

    The rows are found first and sorted then: reading in key order until enough are found would
    visit the whole table row by row where they are few.
    """
    if question.examples:
        return (
            "SELECT x.name::text AS name, NULL::bigint AS size"
            f" FROM ({question.examples} LIMIT {KEYS}) AS x (name)"
        )
    order = key_order(plan)
    if not (question.condition and order):
        return ""
    outputs = ", ".join(f"{key} AS o{number}" for number, key in enumerate(order))
    rows = rows_sql(plan.table, plan.where, [question.condition])
    return (
        f"WITH found AS MATERIALIZED (SELECT {name_sql(plan)} AS name,"
        f" ({question.sizes or 'NULL'})::bigint AS size, {outputs} {rows})"
        f" SELECT f.name, f.size FROM found AS f"
        f" ORDER BY {', '.join(f'f.o{number}' for number in range(len(order)))} LIMIT {KEYS}"
    )


def _printable(text: str) -> str:
    """A row's name for people: of no more than _NAME_LETTERS, and nothing that moves a cursor."""
    shown = "".join(letter if letter.isprintable() else "?" for letter in text[:_NAME_LETTERS])
    return shown + ("…" if len(text) > _NAME_LETTERS else "")
