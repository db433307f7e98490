"""What a checkpoint that was made anew still knows, what it sends again, and what isn't made anew."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.engines.local_d1 import LocalD1Process
from tests.engines.postgres import Database, Postgres
from tests.stories.command import Streamer
from tests.stories.compare import differences, our_leftovers

SAMPLE = """
CREATE TABLE before (id int PRIMARY KEY, name text);
INSERT INTO before SELECT n, 'name ' || n FROM generate_series(1, 50) AS n;
CREATE TABLE item (area text COLLATE "C", number int, name text CHECK (name <> 'bad'),
    PRIMARY KEY (area, number));
INSERT INTO item SELECT 'area ' || n % 7, n, 'item ' || n FROM generate_series(1, 2000) AS n;
"""
# NULLs keep a UNIQUE from being a key, not from being referred to.
KEYLESS = """
CREATE TABLE node (id int UNIQUE, name text);
INSERT INTO node SELECT n, 'node ' || n FROM generate_series(1, 300) AS n;
CREATE TABLE leaf (id int PRIMARY KEY, node int REFERENCES node (id));
INSERT INTO leaf SELECT n, 1 + n % 300 FROM generate_series(1, 2000) AS n;
CREATE TABLE line (words text);
INSERT INTO line SELECT 'line ' || n FROM generate_series(1, 1000) AS n;
"""
OPTIONS = ("--batch-bytes", "4000", "--concurrency", "1", "--progress", "none")
REBUILD = ("--resume", "--rebuild-checkpoint")
AT_ONCE = 4  # batches that may be sent again: 4 for each request in flight

pytestmark = [pytest.mark.postgres, pytest.mark.processes]


@pytest.fixture
async def first(
    database: Database, local_d1: LocalD1Process, tmp_path: Path
) -> AsyncIterator[Streamer]:
    """A run stopped in the middle of its second table."""
    await database.execute(SAMPLE)
    uuid = local_d1.create(database.name)
    streamer = Streamer(tmp_path / "first", database, local_d1, uuid)
    streamer.folder.mkdir()
    yield streamer
    local_d1.delete(uuid)


@pytest.fixture
def second(first: Streamer, tmp_path: Path) -> Streamer:
    """Another machine."""
    (tmp_path / "second").mkdir()
    return replace(first, folder=tmp_path / "second")


async def assert_moved_whole(streamer: Streamer) -> None:
    assert await differences(streamer.source, streamer.target, streamer.uuid) == []
    assert our_leftovers(streamer.target, streamer.uuid) == []


async def test_fault_32_a_rebuilt_run_sends_nothing_that_its_ledger_claims(
    first: Streamer, second: Streamer
) -> None:
    first.stopped_at('INTO "item"', *OPTIONS, requests=12)

    done = second("run", *OPTIONS, *REBUILD)

    assert done.code == 0, done.said
    await assert_moved_whole(second)
    sent = {t["target_name"]: t for t in second.report["tables"]}
    assert sent["before"]["requests"] == 0
    whole = sent["item"]["rows_written"]
    assert whole == 2000
    a_batch = first.report["tables"][1]["rows_written"] / first.report["tables"][1]["requests"]
    assert sent["item"]["requests"] <= whole / a_batch - 12 + AT_ONCE


@pytest.mark.parametrize("stopped_in", ["line", "leaf"])
async def test_fault_32_rows_without_a_key_stand_once_whatever_places_they_have_by_then(
    first: Streamer, second: Streamer, stopped_in: str
) -> None:
    await first.source.execute(KEYLESS)
    first.stopped_at(f'INTO "{stopped_in}"', *OPTIONS, requests=6)
    await first.source.execute(
        "UPDATE node SET name = name || ' of late' WHERE id < 100;"
        "UPDATE line SET words = words || ' of late' WHERE words < 'line 5';"
        "DELETE FROM line WHERE words > 'line 8'"
    )

    done = second("run", *OPTIONS, *REBUILD)

    assert done.code == 0, done.said
    await assert_moved_whole(second)


async def test_fault_32_the_lost_checkpoint_can_not_come_back_beside_the_new_one(
    first: Streamer, second: Streamer
) -> None:
    first.stopped_at('INTO "item"', *OPTIONS, requests=12)
    second.stopped_at('INTO "item"', *OPTIONS, *REBUILD, requests=4)

    fenced = first("run", *OPTIONS, "--resume")
    done = second("run", *OPTIONS, *REBUILD)

    assert fenced.code == 1, fenced.said
    assert "another run writes to it now" in fenced.said
    assert done.code == 0, done.said
    await assert_moved_whole(second)


async def test_fault_32_what_is_not_the_lost_run_is_refused_and_the_run_stays_resumable(
    first: Streamer, second: Streamer, postgres: Postgres
) -> None:
    nothing = second("run", *OPTIONS, *REBUILD)
    first.stopped_at('INTO "item"', *OPTIONS, requests=5)
    other = await postgres.create_database()
    await other.execute(SAMPLE)
    foreign = replace(second, source=other)("run", *OPTIONS, *REBUILD)
    await postgres.drop_database(other.name)
    fewer = second("run", *OPTIONS, *REBUILD, "--exclude", "before")
    changed = second("run", *OPTIONS, *REBUILD, "--exclude-columns", "item.name")
    old = "UPDATE _streamer_ledger SET step = 'older' WHERE step = 'facts'"
    new = "UPDATE _streamer_ledger SET step = 'facts' WHERE step = 'older'"
    second.target.run(second.uuid, old)
    older = second("run", *OPTIONS, *REBUILD)
    second.target.run(second.uuid, new)

    for refused, words in (
        (nothing, "no ledger"),
        (foreign, "another source"),
        (fewer, "public.before"),
        (changed, "public.item: not what the run"),
        (older, "older version"),
    ):
        assert refused.code == 2, refused.said
        assert words in refused.said
        assert not second.checkpoint.exists()
    done = first("run", *OPTIONS, "--resume")
    assert done.code == 0, done.said
    await assert_moved_whole(first)


async def test_fault_32_a_run_that_replaces_or_upserts_keeps_to_it_without_its_checkpoint(
    first: Streamer, second: Streamer
) -> None:
    target, uuid = first.target, first.uuid
    target.run(uuid, "CREATE TABLE before (id INTEGER PRIMARY KEY, name TEXT)")
    for choice, kept in (("upsert", 1), ("replace", 0)):
        target.run(uuid, "INSERT INTO before VALUES (3, 'older'), (-1, 'mine')")
        first.stopped_at('INTO "item"', *OPTIONS, "--if-exists", choice, requests=3)
        again = replace(second, folder=second.folder / choice)
        again.folder.mkdir()

        done = again("run", *OPTIONS, "--if-exists", choice, *REBUILD)

        assert done.code == 0, done.said
        mine = target.rows(uuid, "DELETE FROM before WHERE id = -1 RETURNING name")
        assert len(mine) == kept
        await assert_moved_whole(again)
        target.run(uuid, "DELETE FROM before")
        target.run(uuid, "DELETE FROM item")
        first.checkpoint.unlink()


async def test_fault_32_a_rollback_knows_what_was_there_before_the_lost_run(
    first: Streamer, second: Streamer
) -> None:
    first.target.run(first.uuid, "CREATE TABLE before (id INTEGER PRIMARY KEY, name TEXT)")
    first.target.run(first.uuid, "CREATE INDEX mine ON before (name)")
    first.stopped_at('INTO "item"', *OPTIONS, requests=5)
    second.stopped_at('INTO "item"', *OPTIONS, *REBUILD, requests=2)

    undone = second("rollback", "--yes")

    assert undone.code == 0, undone.said
    tables = (
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE '\\_cf%' ESCAPE '\\'"
    )
    assert first.target.rows(first.uuid, tables) == [["before"]]
    assert first.target.rows(first.uuid, "SELECT count(*) FROM before") == [[0]]
    indexes = "SELECT name FROM sqlite_master WHERE type = 'index' AND name = 'mine'"
    assert first.target.rows(first.uuid, indexes) == [["mine"]]


async def test_fault_32_a_table_that_started_over_is_not_taken_for_what_came_of_it_before(
    first: Streamer, second: Streamer
) -> None:
    first.stopped_at('INTO "item"', *OPTIONS, requests=12)
    assert first.target.rows(first.uuid, "SELECT count(*) FROM before") == [[50]]
    await first.source.execute(
        "DROP TABLE before; CREATE TABLE before (id int PRIMARY KEY, name text);"
        "INSERT INTO before SELECT n, 'other ' || n FROM generate_series(1, 50) AS n;"
    )
    first.stopped_at('INTO "before"', *OPTIONS, "--resume")

    done = second("run", *OPTIONS, *REBUILD)

    assert done.code == 0, done.said
    await assert_moved_whole(second)


@pytest.mark.parametrize("beside", [True, False], ids=["their-file-is-there", "their-file-is-lost"])
async def test_fault_32_rows_that_were_rejected_are_not_forgotten_with_the_checkpoint(
    first: Streamer, second: Streamer, *, beside: bool
) -> None:
    rejecting = (*OPTIONS, "--on-error", "reject", "--no-schema")
    target, uuid = first.target, first.uuid
    target.run(
        uuid, "CREATE TABLE before (id INTEGER PRIMARY KEY, name TEXT CHECK (name <> 'name 7'))"
    )
    target.run(
        uuid,
        "CREATE TABLE item (area TEXT, number INTEGER, name TEXT, PRIMARY KEY (area, number))",
    )
    first.stopped_at('INTO "item"', *rejecting, requests=12)
    machine = second
    if beside:
        first.checkpoint.unlink()
        machine = first

    done = machine("run", *rejecting, *REBUILD)

    assert done.code == 3, done.said
    sent = {t["target_name"]: t for t in machine.report["tables"]}
    assert (sent["before"]["rows_written"], sent["before"]["rows_rejected"]) == (49, 1)
    assert "rejected: 1 row, in " in done.said
    lines = (machine.folder / "rejects" / "before.ndjson").read_text().splitlines()
    assert [json.loads(line)["key"] for line in lines] == [{"id": "7"}]
    await first.source.execute("UPDATE before SET name = 'mended' WHERE id = 7")
    mended = machine("run", *OPTIONS, "--retry-rejects", "--no-schema")
    assert mended.code == 0, mended.said
    await assert_moved_whole(machine)


ANEW = """
DROP TABLE before;
CREATE TABLE before (id int PRIMARY KEY, name text);
INSERT INTO before SELECT n, 'other ' || n FROM generate_series(1, 90) AS n;
"""


async def test_fault_32_what_the_ledger_claims_of_a_table_made_anew_counts_no_more(
    first: Streamer, second: Streamer
) -> None:
    first.stopped_at('INTO "item"', *OPTIONS, requests=12)
    await first.source.execute(ANEW)
    first.stopped_at("FROM _streamer_ledger AS o WHERE run = ?1", *OPTIONS, "--resume")

    done = second("run", *OPTIONS, *REBUILD)

    assert done.code == 0, done.said
    await assert_moved_whole(second)


PARTS = """
CREATE TABLE part (code int UNIQUE, maker int NOT NULL REFERENCES maker);
INSERT INTO part SELECT 61 - n, n FROM generate_series(1, 60) AS n;
ALTER TABLE maker ADD FOREIGN KEY (best) REFERENCES part (code);
"""


async def test_fault_32_references_that_let_go_of_rows_without_a_key_are_written_again(
    first: Streamer, second: Streamer
) -> None:
    await first.source.execute(
        "CREATE TABLE maker (id int PRIMARY KEY, best int);"
        f"INSERT INTO maker SELECT n, n FROM generate_series(1, 60) AS n; {PARTS}"
    )
    first.stopped_at('INTO "item"', *OPTIONS, requests=12)
    await first.source.execute(f"DROP TABLE part CASCADE; {PARTS}")
    # By then its rows, and references to them, are gone.
    first.stopped_at('DELETE FROM "part"', *OPTIONS, "--resume", requests=1)

    done = second("run", *OPTIONS, *REBUILD)

    assert done.code == 0, done.said
    await assert_moved_whole(second)


HENS = """
CREATE TABLE hen (id int PRIMARY KEY, egg int NOT NULL UNIQUE);
CREATE TABLE egg (id int PRIMARY KEY, hen int NOT NULL);
INSERT INTO hen SELECT n, {rows} + 1 - n FROM generate_series(1, {rows}) AS n;
INSERT INTO egg SELECT n, n FROM generate_series(1, {rows}) AS n;
ALTER TABLE hen ADD FOREIGN KEY (egg) REFERENCES egg DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE egg ADD FOREIGN KEY (hen) REFERENCES hen DEFERRABLE INITIALLY DEFERRED;
"""


async def test_fault_32_a_published_cycle_made_anew_leaves_none_of_its_older_rows(
    first: Streamer, second: Streamer
) -> None:
    await first.source.execute(
        HENS.format(rows=40) + "CREATE TABLE nest (id int PRIMARY KEY, hen int REFERENCES hen);"
        "INSERT INTO nest SELECT n, 1 + n % 25 FROM generate_series(1, 1000) AS n;"
    )
    first.stopped_at('INTO "nest"', *OPTIONS, requests=1)
    await first.source.execute(
        "ALTER TABLE nest DROP CONSTRAINT nest_hen_fkey; DROP TABLE hen, egg;"
        + HENS.format(rows=25)
        + "ALTER TABLE nest ADD FOREIGN KEY (hen) REFERENCES hen;"
    )
    first.stopped_at("FROM _streamer_ledger AS o WHERE run = ?1", *OPTIONS, "--resume")

    done = second("run", *OPTIONS, *REBUILD)

    assert done.code == 0, done.said
    await assert_moved_whole(second)
