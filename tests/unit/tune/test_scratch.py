"""The scratch table takes its rows, and is known again."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest

from streamer.limits import CHUNK_BYTES
from streamer.model import Answer, KeyKind, Pack, Page, Result, StepId, StepKind, Storage
from streamer.pack import CURRENT, Engine, Layout, pack_page
from streamer.postgres.copied import printed_rows
from streamer.tune.sample import Sample, disguised
from streamer.tune.scratch import Scratch, leftovers, new_name
from tests.engines.copied import copied_lines
from tests.engines.limited_sqlite import ENGINES, LimitedSqlite, column, table_plan

COLUMNS = (
    column("id", Storage.INTEGER),
    column("note"),
    column("price", Storage.REAL),
)
NOTE = 'He said: "It\'s \\ all\n right", 30 characters'
ROWS = tuple((str(1_000 + 7 * n), NOTE if n % 3 else None, f"{n}.25") for n in range(40))
BARE = (True, False, False)


def test_a_name_of_ours_is_known_again_and_no_other() -> None:
    ours = new_name(Random(1))
    names = [ours, "_streamer_tune_notes", "_streamer_tune_0123456789AB", f"{ours}0"]

    answer = Answer((Result(rows=tuple((name,) for name in names)),))

    assert leftovers(answer, 0) == [ours]


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("pack", [Pack.JSON, Pack.VALUES, Pack.ROWS])
@pytest.mark.parametrize("kind", [KeyKind.PRIMARY, KeyKind.UNIQUE, KeyKind.PHYSICAL])
def test_rows_like_the_samples_get_in_each_under_a_key_of_its_own(
    kind: KeyKind, pack: Pack, engine: Engine
) -> None:
    physical = kind is KeyKind.PHYSICAL
    plan = table_plan(COLUMNS, () if physical else ("id",))
    plan = replace(plan, key=replace(plan.key, kind=kind))
    rows = tuple((str(n), *row) for n, row in enumerate(ROWS)) if physical else ROWS
    sample = Sample(rows, None if physical else BARE)
    scratch = Scratch.like(plan, sample, new_name(Random(2)), pack, engine=engine)
    target = LimitedSqlite(*(statement.sql for statement in scratch.create))

    bodies = [scratch.body(first, 50) for first in (1, 51)]
    for body in bodies:
        target.request(body.statements)

    found = target.rows(
        f"SELECT count(*), count(note), min(note), max(note), sum(typeof(price) = 'real')"
        f' FROM "{scratch.name}"'
    )
    notes = sum(rows[n % len(rows)][-2] is not None for n in range(1, 101))
    assert found == [(100, notes, NOTE, NOTE, 100)]
    asked = scratch.look_up(3).sql
    assert target.rows(asked) == [(0,)]
    assert target.rows(asked.partition(" WHERE NOT EXISTS")[0]) == [(300,)]
    steps = [str(step[-1]) for step in target.rows(f"EXPLAIN QUERY PLAN {asked}")]
    assert any(step.startswith("SEARCH b USING") for step in steps), steps
    for body in bodies:
        assert body.bytes == sum(len(b"".join(one.pieces)) + 1 for one in body.statements)
        assert body.rows == 50


@pytest.mark.parametrize("bare", [BARE, None])
def test_a_request_carries_them_as_a_run_would_carry_the_real_ones(
    bare: tuple[bool, ...] | None,
) -> None:
    plan = table_plan(COLUMNS, ("id",), name="_streamer_tune_0123456789ab")
    sample = Sample(disguised(ROWS, COLUMNS, Random(1)), bare)
    scratch = Scratch.like(plan, sample, plan.target, Pack.JSON, engine=CURRENT)
    layout = Layout.of(plan, StepKind.ROWS, Pack.JSON, into_stage=False)
    lines = copied_lines((int(key), *others) for key, *others in ROWS)
    records = ROWS if bare is None else printed_rows(lines, len(ROWS))
    page = Page(records, len(COLUMNS), (0,), json_rows=bare is not None)

    (real,) = pack_page(layout, page, step=StepId(0), number=0, after=None)
    made = scratch.body(1, len(ROWS))

    assert made.rows == real.rows
    assert made.bytes == real.bytes
    assert [one.sql for one in made.statements] == [one.sql for one in real.statements]


@pytest.mark.parametrize("width", [1, 200, 100_000, 900_000])
def test_a_large_request_has_statements_of_the_size_of_a_runs(width: int) -> None:
    plan = table_plan((column("id", Storage.INTEGER), column("note")), ("id",))
    sample = Sample((("1000000", "x" * width),), (True, False))
    scratch = Scratch.like(plan, sample, new_name(Random(2)), Pack.JSON, engine=CURRENT)

    body = scratch.body(1, int(2_000_000 / width) + 1)

    full = [one.bytes for one in body.statements[:-1]]
    assert body.bytes > 2_000_000
    assert all(0.8 * CHUNK_BYTES < size <= max(CHUNK_BYTES, width + 1_000) for size in full)


@pytest.mark.parametrize(
    ("storage", "cell"),
    [
        (Storage.INTEGER, "1234567"),
        (Storage.INTEGER, "9223372036854775807"),
        (Storage.INTEGER, "7"),
        (Storage.REAL, "12.5"),
        (Storage.TEXT, "0b6ff1f2-6c0f-4a5e-9a7e-2f8a8a0a8b11"),
        (Storage.TEXT, "de"),
        (Storage.BLOB, "00ff" * 10),
    ],
)
def test_keys_of_any_kind_count_up(storage: Storage, cell: str) -> None:
    plan = table_plan((column("id", storage), column("note")), ("id",))
    scratch = Scratch.like(
        plan, Sample(((cell, "x"),)), new_name(Random(2)), Pack.JSON, engine=CURRENT
    )
    target = LimitedSqlite(*(statement.sql for statement in scratch.create))

    for first in (1, 501):
        target.request(scratch.body(first, 500).statements)

    table = f'"{scratch.name}"'
    assert target.rows(f"SELECT count(*) FROM {table}") == [(1_000,)]
    came = [id_ for (id_,) in target.rows(f"SELECT id FROM {table} ORDER BY rowid")]
    assert came == [id_ for (id_,) in target.rows(f"SELECT id FROM {table} ORDER BY id")]
