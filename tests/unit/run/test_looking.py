"""When a new run's first rows are read before it asks for them."""

from collections.abc import Sequence
from typing import cast

import pytest

from streamer.config import Config, RunSettings
from streamer.model import Answered, Catalog, IfExists, OwnSql, Question, Shaping, TablePlan
from streamer.run.looking import looked_at
from streamer.run.sources import JobSource
from tests.engines.catalogs import catalog, identified


class Asked:
    """A source of one table; what it was asked for, in order."""

    def __init__(self) -> None:
        self.for_what: list[str] = []

    async def catalog(self) -> Catalog:
        return catalog(identified("a"))

    async def own_sql(self, shaping: Shaping, catalog: Catalog) -> OwnSql:
        del shaping, catalog
        return OwnSql()

    async def answer(
        self, questions: Sequence[Question], tables: Sequence[TablePlan]
    ) -> list[Answered]:
        del tables
        self.for_what.append("answers")
        return [Answered(question, 0, ()) for question in questions]

    def read_ahead(self, tables: Sequence[TablePlan]) -> None:
        self.for_what += [f"rows of {table.name}" for table in tables]


async def asked_for(settings: RunSettings, *, anew: bool = True) -> list[str]:
    source, config = Asked(), Config(run=settings)
    async with looked_at(cast("JobSource", source), config, lambda _: None, anew=anew) as looking:
        if looking.answers is not None:
            await looking.answers
    return source.for_what


@pytest.mark.parametrize("if_exists", [IfExists.FAIL, IfExists.UPSERT])
async def test_a_new_run_reads_ahead_once_its_rows_are_counted(if_exists: IfExists):
    assert await asked_for(RunSettings(if_exists=if_exists)) == ["answers", "rows of public.a"]


@pytest.mark.parametrize(
    "settings", [RunSettings(if_exists=IfExists.REPLACE), RunSettings(restart=True)]
)
async def test_no_snapshot_is_held_while_tables_are_emptied(settings: RunSettings):
    assert await asked_for(settings) == ["answers"]


async def test_a_run_that_goes_on_reads_nothing_before_it_knows_from_where():
    assert await asked_for(RunSettings(resume=True), anew=False) == []
