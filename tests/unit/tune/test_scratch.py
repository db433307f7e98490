"""The scratch table takes its rows, and is known again."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest

from streamer.model import Answer, KeyKind, Measure, Pack, Result, Storage
from streamer.pack import CURRENT
from streamer.tune.scratch import Scratch, leftovers, new_name
from tests.engines.limited_sqlite import LimitedSqlite, column, table_plan

COLUMNS = (
    column("id", Storage.INTEGER),
    column("note"),
    column("price", Storage.REAL),
)
MEASURE = Measure(rows=10, body_bytes=60.0, stored_bytes=(5.0, 31.0, 9.0))


def test_a_name_of_ours_is_known_again_and_no_other() -> None:
    ours = new_name(Random(1))
    names = [ours, "_streamer_tune_notes", "_streamer_tune_0123456789AB", f"{ours}0"]

    answer = Answer((Result(rows=tuple((name,) for name in names)),))

    assert leftovers(answer, 0) == [ours]


@pytest.mark.parametrize("pack", [Pack.JSON, Pack.VALUES, Pack.ROWS])
@pytest.mark.parametrize("kind", [KeyKind.PRIMARY, KeyKind.UNIQUE, KeyKind.PHYSICAL])
def test_rows_of_the_wanted_lengths_get_in(kind: KeyKind, pack: Pack) -> None:
    key = () if kind is KeyKind.PHYSICAL else ("id",)
    plan = table_plan(COLUMNS, key)
    plan = replace(plan, key=replace(plan.key, kind=kind))
    scratch = Scratch.like(plan, MEASURE, new_name(Random(2)), pack, engine=CURRENT)
    target = LimitedSqlite(*(statement.sql for statement in scratch.create))

    body = scratch.body(1, 50, Random(3))
    target.request(body.statements)

    rows = target.rows(
        f'SELECT count(*), min(length(note)), max(length(note)) FROM "{scratch.name}"'
    )
    assert rows == [(body.rows, 30, 30)]
    assert body.bytes == sum(len(b"".join(one.pieces)) + 1 for one in body.statements)
    assert body.rows == 50
