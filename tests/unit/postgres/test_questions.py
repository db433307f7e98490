"""How questions are put: how many scans, how many at a time, what becomes of errors."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import TypeVar, cast

import pytest

from streamer.errors import SourceError
from streamer.model import Finding, QualifiedName, Question, Severity, TablePlan
from streamer.postgres.answers import WHOLE_TABLE_S
from streamer.postgres.connect import Session
from streamer.postgres.questions import AT_A_TIME, ask_all, keys_query
from tests.engines.catalogs import identified, plan_of, table

T = TypeVar("T")


class Server:
    """Stands for PostgreSQL: notes what is executed, answers every count with 0."""

    def __init__(self, trouble: str = "") -> None:
        self.queries: list[str] = []
        self.settings: list[str] = []
        self.at_once = 0
        self.most_at_once = 0
        self._trouble = trouble

    async def execute(self, setting: str) -> None:
        """Note the setting."""
        self.settings.append(setting)

    async def fetch(
        self,
        query: str,
        timeout: float | None,  # noqa: ASYNC109 (asyncpg's own signature)
    ) -> list[list[int]]:
        """Note the query, and answer it."""
        assert timeout == WHOLE_TABLE_S
        self.queries.append(query)
        return [[0] * max(1, query.count("FILTER"))]

    async def ask(self, doing: str, work: Callable[[Session], Awaitable[T]]) -> T:
        """The transaction around a query."""
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        await asyncio.sleep(0)
        if self._trouble and self._trouble in doing:
            raise SourceError(f"no: {doing}")
        result = await work(cast("Session", self))
        self.at_once -= 1
        return result


def question(name: str = "a", condition: str = "true", **more: str) -> Question:
    finding = Finding(Severity.WARNING, f"public.{name}", "{rows}: {keys}")
    made = Question(QualifiedName("public", name), finding, condition=condition)
    return replace(made, **more)


async def test_what_an_index_knows_is_asked_of_it_and_no_table_scanned_for_that():
    server = Server()

    await ask_all([replace(question(condition="t.n > 9"), indexed=True)], plans("a"), server.ask)

    (query,) = server.queries
    assert query == 'SELECT count(*) FROM "public"."a" AS t WHERE (t.n > 9\n)'
    assert server.settings == ["SET LOCAL enable_seqscan = off"]


def plans(*names: str) -> tuple[TablePlan, ...]:
    return plan_of(*(identified(name) for name in names)).tables


async def test_one_scan_answers_all_cheap_questions_of_a_table_and_others_have_their_own():
    server = Server()
    alone = replace(question(condition="dear"), alone=True)
    asked = [question(), alone, question(query="SELECT 7"), question(condition="x > 1")]

    answers = await ask_all(asked, plans("a", "untouched"), server.ask)

    assert [answer.question for answer in answers] == asked
    assert [query.count("FILTER") for query in server.queries] == [2, 1, 0]
    assert not any("untouched" in query for query in server.queries)


async def test_no_question_costs_nothing():
    server = Server()

    assert await ask_all([], plans("a"), server.ask) == []
    assert server.queries == []


async def test_some_tables_are_asked_together_and_never_more():
    server = Server()
    names = [f"t{number}" for number in range(8)]

    await ask_all([question(name) for name in names], plans(*names), server.ask)

    assert server.most_at_once == AT_A_TIME
    assert len(server.queries) == 8


async def test_an_error_of_one_table_comes_out_by_itself():
    server = Server(trouble="t1")

    with pytest.raises(SourceError, match=r"no: counting rows of public\.t1"):
        await ask_all([question("t0"), question("t1")], plans("t0", "t1"), server.ask)


def test_rows_are_found_before_they_are_sorted():
    (plan,) = plans("a")

    query = keys_query(plan, question(sizes="octet_length(t.v)"))

    assert query.index("MATERIALIZED") < query.index("ORDER BY f.o0 LIMIT 20")
    assert "(octet_length(t.v))::bigint" in query


def test_a_question_with_examples_of_its_own_is_asked_for_these():
    (plan,) = plan_of(table("a")).tables

    query = keys_query(plan, question(condition="", query="SELECT 1", examples="SELECT 'x'"))

    assert "(SELECT 'x' LIMIT 20)" in query
    assert keys_query(plan, question(condition="", query="SELECT 1")) == ""
