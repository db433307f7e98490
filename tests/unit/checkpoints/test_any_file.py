"""Whatever bytes stand in a checkpoint's place: they are refused with a word, never a crash."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from contextlib import closing, suppress
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from zlib import crc32

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from checkpoints import CheckpointError, CheckpointStore, RunRecord, Saved, StepRecord, peek

MAGIC = b"SQLite format 3\x00"
BYTES = st.binary(max_size=600) | st.binary(min_size=84, max_size=600).map(MAGIC.__add__)


def whole_database() -> bytes:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "x"
        with closing(sqlite3.connect(path)) as connection:
            connection.executescript("CREATE TABLE t (a, b); INSERT INTO t VALUES (1, 'x')")
        return path.read_bytes()


DATABASE = whole_database()


@st.composite
def meddled(draw: st.DrawFn) -> bytes:
    content = bytearray(DATABASE)
    for _ in range(draw(st.integers(0, 8))):
        content[draw(st.integers(0, len(content) - 1))] = draw(st.integers(0, 255))
    return bytes(content[: draw(st.integers(0, len(content)))])


@given(BYTES | meddled())
def test_any_other_file_is_refused_and_left_as_it_is(content: bytes) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "streamer.checkpoint.db"
        path.write_bytes(content)

        with pytest.raises(CheckpointError, match=path.name):
            peek(path)

        assert path.read_bytes() == content


NAME = "streamer.checkpoint.db"
STEPS = 40  # so many that the table of steps takes several pages
TABLES = {
    "run": ["only_row", "run_id", "state", "epoch", "document", "crc"],
    "step": ["step_id", "table_name", "kind", "state", "last_key", "next_number", "row_count",
             "byte_count", "document", "crc"],
    "seal": ["only_row", "store_id", "saves", "row_count", "row_sum", "crc"],
}  # fmt: skip


@cache
def real() -> tuple[bytes, Saved]:
    """A checkpoint as a run leaves it, and what it holds."""
    run = RunRecord("run-1", "running", 3, {"source": {"database": "shop"}, "claimed": ["a", "b"]})
    steps = [
        StepRecord(n, f"public.t{n}", "rows", "doing", (f"{n}", "é" * 60), n, n, 9, {"n": n})
        for n in range(STEPS)
    ]

    async def fill(path: Path) -> Saved | None:
        async with await CheckpointStore.open(path) as store:
            await store.begin(run, steps)
            await store.save(None, steps[:3])
            return await store.read()

    with TemporaryDirectory() as folder:
        saved = asyncio.run(fill(Path(folder) / NAME))
        assert saved is not None
        return (Path(folder) / NAME).read_bytes(), saved


def judged(path: Path) -> Saved | None:
    """What opening finds, or None where it refuses that; then the file stays as it was.

    Looking only finds the same, or more: it minds nothing that only a writer has to.
    """
    before = path.read_bytes()
    found: list[Saved | None] = []

    async def read() -> Saved | None:
        async with await CheckpointStore.open(path) as store:
            return await store.read()

    for look in (lambda: peek(path), lambda: asyncio.run(read())):
        try:
            found.append(look())
        except CheckpointError as error:
            complaint = str(error)
            found.append(None)
        else:
            complaint = ""
        if complaint:
            assert NAME in complaint
            assert path.read_bytes() == before
    looked, opened = found
    assert opened in (None, looked)
    return opened


PLACES = st.floats(0, 1, exclude_max=True)
PAGE_CHANGES = st.tuples(
    st.sampled_from(["swapped", "zeroed", "copied", "written", "gone"]),
    PLACES,
    PLACES,
    st.binary(min_size=1, max_size=8),
)


def spoilt(content: bytes, changes: list[tuple[str, float, float, bytes]]) -> bytes:
    """`content`, some pages of which are others: swapped, zeroed, copied, overwritten, gone."""
    page = int.from_bytes(content[16:18], "big")
    pages = [content[at : at + page] for at in range(0, len(content), page)]
    for how, here, there, more in changes:
        one, other = int(here * len(pages)), int(there * len(pages))
        at = int(there * (page - len(more)))
        match how:
            case "swapped":
                pages[one], pages[other] = pages[other], pages[one]
            case "zeroed":
                pages[one] = bytes(page)
            case "copied":
                pages[one] = pages[other]
            case "written":
                pages[one] = pages[one][:at] + more + pages[one][at + len(more) :]
            case _:
                pages[one] = b""
    return b"".join(pages)


@given(st.lists(PAGE_CHANGES, min_size=1, max_size=3))
def test_pages_that_are_others_are_noticed_or_change_nothing(
    changes: list[tuple[str, float, float, bytes]],
) -> None:
    content, saved = real()
    with TemporaryDirectory() as folder:
        (path := Path(folder) / NAME).write_bytes(spoilt(content, changes))

        assert judged(path) in (None, saved)


CELLS = st.one_of(
    st.none(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(),
    st.text(st.characters(exclude_categories=("Cs",)), max_size=12),
    st.binary(max_size=12),
    st.sampled_from(["[]", "{}", "[1]", '["a"]', '{"a":1}', "null", "1", "[" * 2_000, "running"]),
)
WORDS = st.sampled_from(
    [
        "DELETE FROM {table} WHERE rowid % 3 = 1",
        "INSERT INTO step SELECT step_id + 1000, {steps} FROM step LIMIT 2",
        "ALTER TABLE {table} DROP COLUMN {column}",
        "ALTER TABLE {table} RENAME COLUMN {column} TO other",
        "ALTER TABLE {table} ADD COLUMN other",
        "ALTER TABLE {table} RENAME TO other",
        "DROP TABLE {table}",
        "CREATE TABLE other (a)",
        "CREATE INDEX other ON {table} ({column})",
        "CREATE VIEW other AS SELECT * FROM {table}",
        "CREATE TRIGGER other AFTER INSERT ON {table} BEGIN DELETE FROM step; END",
        "PRAGMA user_version = 7",
        "PRAGMA user_version = -1",
        "PRAGMA application_id = 0",
        "PRAGMA journal_mode = DELETE",
    ]
)


def crc_of(cells: list[object]) -> int:
    return crc32(json.dumps(cells).encode())


def seal_again(connection: sqlite3.Connection) -> None:
    """Make every checksum right again, as somebody would who knows how they are made."""
    for table, columns in TABLES.items():
        rows = connection.execute(f"SELECT rowid, {', '.join(columns)} FROM {table}").fetchall()
        for number, *cells, _ in rows:
            if table == "seal":
                kept = connection.execute(
                    "SELECT count(*), sum(crc) FROM (SELECT crc FROM run UNION ALL SELECT crc FROM step)"
                ).fetchone()
                cells[3:] = kept
                sums = (*kept, crc_of(cells), number)
                connection.execute(
                    "UPDATE seal SET row_count = ?, row_sum = ?, crc = ? WHERE rowid = ?", sums
                )
            else:
                connection.execute(
                    f"UPDATE {table} SET crc = ? WHERE rowid = ?", (crc_of(cells), number)
                )


STEP_COLUMNS = ", ".join(TABLES["step"][1:])
UPDATE = "UPDATE {table} SET {column} = ? WHERE rowid < 9"
COLUMNS = st.sampled_from([(table, name) for table, names in TABLES.items() for name in names])


@given(st.lists(st.tuples(WORDS | st.just(UPDATE), COLUMNS, CELLS), min_size=1, max_size=2))
def test_a_checkpoint_that_was_written_to_by_hand_is_refused_or_says_the_same(
    changes: list[tuple[str, tuple[str, str], object]],
) -> None:
    content, saved = real()
    with TemporaryDirectory() as folder:
        (path := Path(folder) / NAME).write_bytes(content)
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            connection.execute("PRAGMA ignore_check_constraints = ON")
            for sql, (table, column), cell in changes:
                told = sql.format(table=table, column=column, steps=STEP_COLUMNS)
                with suppress(sqlite3.Error):  # SQLite itself doesn't take everything
                    connection.execute(told, [cell] if "?" in sql else [])

        assert judged(path) in (None, saved)


@given(st.lists(st.tuples(COLUMNS, CELLS), min_size=1, max_size=3))
@example([(("run", "document"), "[]")])
@example([(("run", "document"), "[" * 2_000)])
@example([(("run", "epoch"), -1)])
@example([(("step", "last_key"), '{"a":1}')])
@example([(("step", "last_key"), "[1]")])
@example([(("step", "document"), "no JSON")])
@example([(("step", "next_number"), "a text")])
def test_nonsense_whose_checksums_are_right_is_refused_or_well_formed(
    changes: list[tuple[tuple[str, str], object]],
) -> None:
    content, _ = real()
    with TemporaryDirectory() as folder:
        (path := Path(folder) / NAME).write_bytes(content)
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            connection.execute("PRAGMA ignore_check_constraints = ON")
            with suppress(sqlite3.Error, TypeError):  # SQLite or JSON don't take everything
                for (table, column), cell in changes:
                    connection.execute(UPDATE.format(table=table, column=column), [cell])
                seal_again(connection)

        found = judged(path)

    if found is not None:
        assert isinstance(found.run.document, dict)
        for step in found.steps:
            assert isinstance(step.document, dict)
            assert step.last_key is None or all(isinstance(text, str) for text in step.last_key)
