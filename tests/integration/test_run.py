"""`streamer run`, as a user has it: real PostgreSQL, a real D1, a process of its own."""

from __future__ import annotations

import pytest

from tests.engines.postgres import Database
from tests.stories.command import Streamer
from tests.stories.compare import differences, our_leftovers

pytestmark = [pytest.mark.postgres, pytest.mark.workerd, pytest.mark.processes]

TABLES = 13
ROWS = 8756


async def differs(streamer: Streamer, *, without: str = "") -> list[str]:
    return await differences(streamer.source, streamer.target, streamer.uuid, without=without)


def tables_of(streamer: Streamer) -> set[str]:
    rows = streamer.target.rows(streamer.uuid, "SELECT name FROM sqlite_master WHERE type='table'")
    return {name for (name,) in rows if not name.startswith(("_cf_", "sqlite_"))}


async def test_every_row_of_every_table_arrives(streamer: Streamer) -> None:
    done = streamer("run")

    assert done.code == 0, done.said
    assert await differs(streamer) == []
    assert our_leftovers(streamer.target, streamer.uuid) == []


@pytest.mark.parametrize(
    "options",
    [
        ("--pack", "values"),
        ("--pack", "rows"),
        ("--pushdown", "json"),
        ("--consistency", "rolling"),
        ("--batch-size", "1"),
        ("--batch-bytes", "20000", "--concurrency", "5"),
        ("--indexes", "before"),
        ("--rate-limit", "none"),
    ],
    ids=" ".join,
)
async def test_however_rows_travel_they_arrive_the_same(
    streamer: Streamer, options: tuple[str, ...]
) -> None:
    done = streamer("run", *options)

    assert done.code == 0, done.said
    assert await differs(streamer) == []
    indexes = streamer.target.rows(
        streamer.uuid, "SELECT count(*) FROM sqlite_master WHERE name LIKE '%customer_joined'"
    )
    assert indexes == [[1]]


async def test_a_target_that_holds_rows_is_left_alone(streamer: Streamer) -> None:
    streamer.target.run(
        streamer.uuid, "CREATE TABLE feather(id INTEGER PRIMARY KEY, chicken INTEGER)"
    )
    streamer.target.run(streamer.uuid, "INSERT INTO feather VALUES(1, 1)")

    refused = streamer("run")

    assert refused.code == 2
    assert "feather" in refused.stderr
    assert "--if-exists" in refused.stderr
    assert tables_of(streamer) == {"feather"}
    assert not streamer.checkpoint.exists()


async def test_an_upsert_of_equal_rows_writes_nothing_and_of_changed_ones_mends_them(
    streamer: Streamer,
) -> None:
    assert streamer("run", "--exclude", "log").code == 0
    again = streamer("run", "--exclude", "log", "--if-exists", "upsert")
    assert again.code == 0, again.said
    written = streamer.report["totals"]["d1_rows_written"]
    streamer.target.run(streamer.uuid, "UPDATE customer SET active = 1 - active WHERE id % 100 = 0")
    streamer.target.run(streamer.uuid, "DELETE FROM invoice WHERE number = 2")

    assert streamer("run", "--exclude", "log", "--if-exists", "upsert").code == 0

    # The ledger's own rows, and the second copy of the tables that go through staging.
    assert written < 2_000
    assert await differs(streamer, without="log") == []


async def test_replace_empties_what_was_there(streamer: Streamer) -> None:
    assert streamer("run").code == 0
    streamer.target.run(streamer.uuid, "INSERT INTO setting VALUES('stale', 'row')")
    streamer.target.run(streamer.uuid, 'INSERT INTO "nothing" VALUES(5)')
    streamer.target.run(streamer.uuid, "UPDATE store SET city = 'elsewhere'")

    done = streamer("run", "--if-exists", "replace")

    assert done.code == 0, done.said
    assert await differs(streamer) == []


async def test_replace_refuses_to_take_parents_from_a_table_outside_the_run(
    streamer: Streamer,
) -> None:
    assert streamer("run").code == 0

    refused = streamer("run", "--table", "country", "--if-exists", "replace")

    assert refused.code == 2
    assert "customer" in refused.stderr
    assert await differs(streamer) == []


async def test_only_the_selected_tables_move(streamer: Streamer) -> None:
    done = streamer("run", "--table", "s*", "--table", "log", "--exclude", "sta*")

    assert done.code == 0, done.said
    assert tables_of(streamer) == {"store", "setting", "log"}


async def test_without_schema_existing_tables_are_filled_and_missing_ones_refused(
    streamer: Streamer,
) -> None:
    refused = streamer("run", "--no-schema", "--table", "setting")
    assert refused.code == 2
    assert "setting" in refused.stderr
    streamer.target.run(
        streamer.uuid, "CREATE TABLE setting(name TEXT UNIQUE NOT NULL, value TEXT)"
    )

    done = streamer("run", "--no-schema", "--table", "setting")

    assert done.code == 0, done.said
    assert streamer.target.rows(streamer.uuid, "SELECT count(*) FROM setting") == [[300]]


async def test_without_schema_tables_that_refer_to_each_other_are_filled_too(
    streamer: Streamer,
) -> None:
    for table, other in (("chicken", "egg"), ("egg", "chicken")):
        streamer.target.run(
            streamer.uuid,
            f"CREATE TABLE {table}(id INTEGER PRIMARY KEY, {other} INTEGER NOT NULL"
            f" REFERENCES {other}(id))",
        )

    done = streamer("run", "--no-schema", "--table", "chicken", "--table", "egg")

    assert done.code == 0, done.said
    assert tables_of(streamer) == {"chicken", "egg"}


async def test_a_dry_run_writes_nothing_anywhere(streamer: Streamer) -> None:
    planned = streamer("run", "--dry-run")

    assert planned.code == 0, planned.said
    assert "customer" in planned.stdout
    assert tables_of(streamer) == set()
    assert sorted(path.name for path in streamer.folder.iterdir()) in ([], ["state"])


async def test_a_finished_run_is_not_resumed_again(streamer: Streamer) -> None:
    assert streamer("run").code == 0
    before = (streamer.folder / "run_report.json").read_bytes()
    streamer.target.stats(reset=True)

    again = streamer("run", "--resume")

    assert again.code == 0
    assert "finished" in again.stderr
    assert streamer.target.stats()["requests"] == 0
    assert (streamer.folder / "run_report.json").read_bytes() == before


async def test_an_unfinished_run_is_resumed_or_restarted_but_not_forgotten(
    streamer: Streamer,
) -> None:
    full = {"match": "/raw", "contains": "feather", "skip": 1, "times": 1}
    streamer.target.set_faults({**full, "status": 400, "code": 7500, "message": "not authorized"})
    stopped = streamer("run", "--batch-bytes", "64000")
    assert stopped.code == 1, stopped.said
    streamer.target.set_faults()

    refused = streamer("run")
    restarted = streamer("run", "--restart")

    assert refused.code == 2
    assert "--resume" in refused.stderr
    assert "--restart" in refused.stderr
    assert restarted.code == 0, restarted.said
    assert await differs(streamer) == []


async def test_the_report_tells_what_was_moved(streamer: Streamer) -> None:
    assert streamer("run").code == 0

    report = streamer.report

    assert report["status"] == "done"
    assert len(report["tables"]) == TABLES
    assert report["totals"]["rows_written"] == ROWS
    assert report["totals"]["rows_read"] == ROWS
    by_name = {table["name"]: table for table in report["tables"]}
    assert by_name["public.customer"]["rows_written"] == 2000
    assert report["consistency"]["mode"] == "snapshot"
    assert streamer.source.password not in (streamer.folder / "run_report.json").read_text()


async def test_a_snapshot_is_one_moment_and_later_rows_are_not_in_it(streamer: Streamer) -> None:
    done = streamer("run", "--consistency", "snapshot")

    assert done.code == 0
    assert len(streamer.report["consistency"]["snapshots"]) == 1
    assert streamer.report["consistency"]["tables_in_several_snapshots"] == []


async def test_an_upsert_takes_back_references_that_the_source_has_no_more(
    streamer: Streamer,
) -> None:
    assert streamer("run").code == 0
    streamer.target.run(streamer.uuid, "UPDATE employee SET boss = 7 WHERE id = 0")

    done = streamer("run", "--exclude", "log", "--if-exists", "upsert")

    assert done.code == 0, done.said
    assert await differs(streamer) == []


async def test_a_restart_makes_tables_anew_that_changed_since_the_run_made_them(
    streamer: Streamer, database: Database
) -> None:
    await database.execute(
        "CREATE TABLE parent (id int PRIMARY KEY, v text);"
        "CREATE TABLE child (id int PRIMARY KEY, parent int REFERENCES parent, child int "
        "REFERENCES child);"
        "INSERT INTO parent SELECT n, 'v' FROM generate_series(1, 500) AS n;"
        "INSERT INTO child SELECT n, n, 501 - n FROM generate_series(1, 500) AS n;"
    )
    streamer.source = database
    refused = {"status": 400, "code": 7500, "message": "not authorized"}
    second_pass = {"match": "/raw", "contains": 'UPDATE \\"child\\"', "times": 99}
    streamer.target.set_faults({**second_pass, **refused})
    assert streamer("run").code == 1
    streamer.target.set_faults()
    await database.execute(
        "ALTER TABLE child DROP CONSTRAINT child_parent_fkey;"
        "ALTER TABLE parent DROP CONSTRAINT parent_pkey, ADD w bigint DEFAULT 7, ADD PRIMARY KEY (id, w);"
        "ALTER TABLE child ALTER parent TYPE text;"
    )

    resumed = streamer("run", "--resume")
    restarted = streamer("run", "--restart")

    assert resumed.code == 1
    assert "--restart" in resumed.stderr
    assert restarted.code == 0, restarted.said
    assert await differs(streamer) == []
