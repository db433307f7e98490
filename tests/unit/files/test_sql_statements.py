"""Rows as SQL text: D1 takes every statement, stores every bit, and may be told twice."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from pathlib import Path
from typing import cast

import apsw
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from streamer import limits
from streamer.errors import RefusedError, UsageError
from streamer.files.sql import literals
from streamer.files.sql.folder import Section, give_names, remove_files
from streamer.files.sql.output import SqlOutputs, for_wrangler
from streamer.files.sql.statements import BEGIN_LONG, END_LONG, Chunk, StatementMaker
from streamer.model import Plan, StepKind, Storage, TablePlan
from tests.engines.limited_sqlite import LimitedSqlite, Sample, column, samples, table_plan

TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
ENGINE = apsw.Connection(":memory:")


def read(literal: str) -> object:
    ((value,),) = ENGINE.execute(f"SELECT {literal}")
    return value


def chunks_of(plan: TablePlan, rows: Sequence[Sequence[str | None]]) -> list[Chunk]:
    maker = StatementMaker(plan, StepKind.ROWS)
    return [*(chunk for row in rows for chunk in maker.add(row)), *maker.rest()]


def statements_of(chunks: Sequence[Chunk]) -> list[str]:
    """What D1 would be told, statement by statement, as SQLite itself parts them."""
    script = b"".join(
        BEGIN_LONG + chunk.sql + END_LONG if chunk.long else chunk.sql for chunk in chunks
    ).decode()
    found, at = list[str](), 0
    while script[at:].strip():
        end = at
        while not apsw.complete(script[at : end + 1]) or script[at:end].count("'") % 2:
            end = script.index(";", end + 1)
        found.append(script[at : end + 1])
        at = end + 1
    return found


def load(database: LimitedSqlite, chunks: Sequence[Chunk]) -> None:
    for statement in statements_of(chunks):
        assert len(statement.encode()) <= limits.STATEMENT_BYTES
        database.connection.execute(statement)


@given(TEXTS)
@example("BEGIN TRANSACTION; COMMIT;")
@example("~ BEGIN TRANSACTION ~0 \0 it's")
@example("BEGIN TRANSACTION" * 200)
def test_a_text_is_read_as_it_is_and_wrangler_finds_nothing_to_take_out(text: str) -> None:
    literal = literals.text(text)

    assert read(literal) == text
    assert literals.FORBIDDEN not in literal


@given(st.floats(allow_nan=False, allow_infinity=False))
@example(-0.0)
@example(5e-324)
@example(1.7976931348623157e308)
@example(-4.5818408903237864e-299)
def test_a_double_is_read_to_the_last_bit(number: float) -> None:
    value = cast("float", read(f"CAST({literals.real(repr(number))} AS REAL)"))

    assert struct.pack("d", value + 0.0) == struct.pack("d", number + 0.0)  # D1 stores no -0.0


@given(st.integers(-(2**63), 2**63 - 1))
@example(-(2**63))
def test_a_whole_number_is_read_exactly(number: int) -> None:
    assert read(literals.integer(str(number))) == number


def test_what_no_engine_reads_exactly_in_decimal_is_computed_of_whole_numbers() -> None:
    assert literals.real("8.507476961959075e-301") == "5131758770527095*pow(2,-1049)"
    assert literals.real("1.5") == "1.5"


@given(samples())
@settings(max_examples=60, deadline=None)
def test_rows_are_stored_as_a_run_stores_them_also_when_they_come_twice(sample: Sample) -> None:
    whole, told = LimitedSqlite(sample.plan.create_sql), LimitedSqlite(sample.plan.create_sql)
    whole.bind(sample.plan, sample.rows, "t")
    chunks = chunks_of(sample.plan, sample.rows)

    load(told, chunks)
    once = told.cells(sample.plan)
    load(told, chunks)

    assert once == whole.cells(sample.plan)
    assert told.cells(sample.plan) == once


LONG = {
    "a text": (Storage.TEXT, "x" * 1_999_900),
    "quotes, which are doubled": (Storage.TEXT, "'" * 700_000),
    "letters of four bytes": (Storage.TEXT, "😀" * 450_000),
    "line breaks and the end of statements": (Storage.TEXT, ";\r\n--/*" * 60_000),
    "what wrangler takes out": (Storage.TEXT, "BEGIN TRANSACTION;COMMIT;" * 20_000),
    "bytes": (Storage.BLOB, bytes(range(256)).hex() * 3_900),
}


@pytest.mark.parametrize(("storage", "cell"), LONG.values(), ids=LONG)
def test_a_value_longer_than_a_statement_is_built_up(storage: Storage, cell: str) -> None:
    plan = table_plan([column("k", Storage.INTEGER), column("a", storage)])
    rows = [("1", None), ("2", cell), ("3", "00")]
    whole, told = LimitedSqlite(plan.create_sql), LimitedSqlite(plan.create_sql)
    whole.bind(plan, rows, "t")

    load(told, chunks_of(plan, rows))

    assert told.cells(plan) == whole.cells(plan)


def test_no_constraint_sees_half_a_value() -> None:
    plan = table_plan(
        [column("k", Storage.INTEGER), column("a")],
        constraints=["UNIQUE(a)", "CHECK(json_valid(a))"],
    )
    rows = [(str(n), f'["{"x" * 150_000}{n}"]') for n in range(3)]
    told = LimitedSqlite(plan.create_sql)

    load(told, chunks_of(plan, rows))

    assert told.rows("SELECT count(*) FROM t") == [(3,)]


def test_a_row_of_a_hundred_columns_that_are_long_together_fits() -> None:
    names = [f"column number {n} 'with' a long name" for n in range(99)]
    plan = table_plan([column("k", Storage.INTEGER), *map(column, names)])
    rows = [(str(n), *["y" * 5_000] * 99) for n in range(2)]
    told = LimitedSqlite(plan.create_sql)

    load(told, chunks_of(plan, rows))

    assert told.rows(f'SELECT sum(length("{names[98]}")) FROM t') == [(10_000,)]


def test_many_small_rows_share_a_statement_within_what_older_engines_take() -> None:
    plan = table_plan([column("k", Storage.INTEGER), column("a")])

    chunks = chunks_of(plan, [(str(n), None) for n in range(20_000)])

    assert [chunk.sql.count(b"(") for chunk in chunks[:-1]] == [6_666 + 4] * 3


def test_names_that_leave_no_room_for_rows_are_refused() -> None:
    plan = table_plan(
        [column("k", Storage.INTEGER), *(column("n" * 240 + str(n)) for n in range(99))]
    )

    with pytest.raises(RefusedError, match=r"100,000 bytes"):
        StatementMaker(plan, StepKind.ROWS)


def test_files_are_cut_where_they_grow_too_long_and_named_in_order(tmp_path: Path) -> None:
    rows, later = (Section(tmp_path, name, most=100) for name in ("rows", "later"))
    (tmp_path / "tables_0009.sql").write_text("of another time")
    (tmp_path / "mine.sql").write_text("mine")
    remove_files(tmp_path)
    for _ in range(5):
        rows.write(Chunk(b"x" * 30))
    rows.write(Chunk(b"z" * 300, long=True))
    later.write(Chunk(b"y"))
    for section in (rows, later):
        section.close()

    names = give_names(tmp_path, [*rows.parts, *later.parts])

    assert names == ("tables_0001.sql", "tables_0002.sql", "tables_0003.sql", "tables_0004.sql")
    contents = [(tmp_path / name).read_bytes() for name in names]
    assert contents == [b"x" * 90, b"x" * 60, BEGIN_LONG + b"z" * 300 + END_LONG, b"y"]
    assert {path.name for path in tmp_path.iterdir()} == {*names, "mine.sql"}
    assert (tmp_path / names[0]).stat().st_mode & 0o777 == 0o600


def test_names_that_wrangler_would_take_out_are_refused(tmp_path: Path) -> None:
    plan = table_plan([column("k", Storage.INTEGER), column("BEGIN TRANSACTION;")])
    whole = Plan((plan,), ())

    with pytest.raises(UsageError, match="wrangler takes out"):
        SqlOutputs(tmp_path, whole, {plan.name: 0})


def test_a_comment_with_these_words_is_spelled_otherwise() -> None:
    assert literals.FORBIDDEN not in for_wrangler("-- a: DEFAULT 'BEGIN TRANSACTION' is left out")
