"""What goes wrong at the user's hands: few clear lines, the right exit code, and nothing touched.

After every refusal both the checkpoint and the report are as they were, D1 holds what it held, and
no secret stands in any output or file.
"""

from __future__ import annotations

import os
import re
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import quote

import pytest

from checkpoints.lock import take
from tests.engines.postgres import PASSWORD, Database, Postgres
from tests.engines.workerd import Workerd
from tests.stories.command import Streamer
from tests.stories.compare import our_leftovers
from tests.stories.trial import CANARY, Trial

pytestmark = [pytest.mark.postgres, pytest.mark.workerd, pytest.mark.processes]

SHOP = """
CREATE TABLE customer (id int PRIMARY KEY, name text);
CREATE TABLE nobody (id int PRIMARY KEY, customer int REFERENCES customer);
INSERT INTO customer SELECT n, 'precious ' || n % 9 FROM generate_series(1, 30) AS n;
"""


@pytest.fixture
async def trial(database: Database, workerd_d1: Workerd, tmp_path: Path) -> AsyncIterator[Trial]:
    await database.execute(SHOP)
    uuid = workerd_d1.create(database.name)
    trial = Trial(Streamer(tmp_path, database, workerd_d1, uuid))
    trial.streamer.overrides["STREAMER_PROGRESS"] = "none"
    yield trial
    workerd_d1.delete(uuid)


def dsn(database: Database, **parts: object) -> str:
    said = {"user": "postgres", "password": CANARY, "host": database.host, "port": database.port}
    said |= {"name": database.name, **parts}
    password = quote(str(said["password"]))
    return f"postgresql://{said['user']}:{password}@{said['host']}:{said['port']}/{said['name']}"


def unfinished(trial: Trial) -> None:
    """Leave a run that stopped over rows that D1 refuses."""
    trial.d1("CREATE TABLE customer (id INTEGER PRIMARY KEY, name TEXT CHECK (id <> 7))")
    done = trial.run("run")
    assert done.code == 1
    assert "CHECK constraint failed" in done.stderr


def finished(trial: Trial) -> None:
    done = trial.run("run", "-q")
    assert done.code == 0, done.said


# Settings


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--batch-size", "101"], "more than D1 takes"),
        (["--batch-size", "0"], "from 1 to 100"),
        (["--batch-size", "abc"], "not a number"),
        (["--concurrency", "0"], "from 1 to 256, or auto"),
        (["--rate-limit", "x"], "requests/seconds"),
        (["--if-exists", "maybe"], "write fail, upsert or replace"),
        (["--table", "custmer"], r"no such table. Did you mean public.customer\?"),
        (["--table", "public.custmer"], r"no such table. Did you mean public.customer\?"),
        (["--schema", "nowhere"], "no such schema"),
        (["--exclude", "*"], "No table is selected"),
        (["--resume", "--restart"], "exclude each other"),
        (["--log-file", "."], "can't be opened"),
        (["--skip-refuse"], r"did you mean --skip-refused\?"),
    ],
    ids=" ".join,
)
async def test_a_wrong_option_is_wrong_usage(trial: Trial, arguments: list[str], says: str) -> None:
    trial.refused("run", *arguments, code=2, says=says)


@pytest.mark.parametrize(
    ("environ", "code", "says"),
    [
        ({"CLOUDFLARE_API_TOKEN": CANARY}, 1, "refuses the token"),
        ({"CLOUDFLARE_API_TOKEN": f"{CANARY}\n"}, 2, "CLOUDFLARE_API_TOKEN"),
        ({"CLOUDFLARE_ACCOUNT_ID": "a/b"}, 2, "CLOUDFLARE_ACCOUNT_ID"),
        ({"D1_DATABASE_ID": "11111111-2222-3333-4444-555555555555"}, 1, "has no D1 database"),
        ({"D1_DATABASE_ID": "shop"}, 1, "has no D1 database"),
        ({"D1_DATABASE_ID": "", "POSTGRES_DSN": ""}, 2, "POSTGRES_DSN.*\n.*D1_DATABASE_ID"),
        ({"CLOUDFLARE_API_BASE_URL": "http://api.example.com/client/v4"}, 2, "write https://"),
        ({"CLOUDFLARE_API_BASE_URL": "https://a..b/client/v4"}, 2, "can't be a host"),
        ({"CLOUDFLARE_API_BASE_URL": "http://127.0.0.1:1/client/v4"}, 75, "can't connect"),
    ],
)
async def test_a_target_that_is_not_there_is_named(
    trial: Trial, environ: dict[str, str], code: int, says: str
) -> None:
    trial.refused("run", "--give-up-after", "1s", code=code, says=says, **environ)


@pytest.mark.parametrize(
    ("parts", "code", "says"),
    [
        ({}, 1, "refuses the password"),
        ({"user": "stranger"}, 1, 'the password of user "stranger"'),
        ({"password": PASSWORD, "name": "nowhere"}, 1, 'database "nowhere" doesn\'t exist'),
        ({"host": "a..b"}, 2, "POSTGRES_DSN"),
        ({"port": 1}, 75, "Nothing listens"),
    ],
    ids=["password", "user", "database", "host", "port"],
)
async def test_a_source_that_does_not_let_us_in_is_named(
    trial: Trial, parts: dict[str, object], code: int, says: str
) -> None:
    wrong = dsn(trial.source, **parts)

    trial.refused("run", code=code, says=says, POSTGRES_DSN=wrong)
    # There is nothing to resume after a plan.
    trial.refused("plan", code=1 if code == 75 else code, says=says, POSTGRES_DSN=wrong)


# What there is to move


async def test_where_there_is_no_table_nothing_is_done(trial: Trial) -> None:
    await trial.source.execute("DROP TABLE nobody, customer")
    before = trial.state

    done = trial.run("run")

    assert done.code == 0
    assert "holds no table" in done.stderr
    assert "nothing to do" in done.stderr
    assert trial.state == before


async def test_what_can_not_move_stops_the_run_or_is_left_out(trial: Trial) -> None:
    many = ", ".join(f"c{n} int" for n in range(101))
    await trial.source.execute(
        f"CREATE TABLE wide ({many}); CREATE TABLE odd (a int, n pg_node_tree)"
    )

    trial.refused("run", code=2, says="public.wide: has 101 columns")
    done = trial.run("run", "--skip-refused")
    after = trial.state
    again = trial.run("run", "--resume", "--skip-refused")

    assert done.code == 3, done.said
    assert "public.odd.n" in " ".join(trial.streamer.report["errors"])
    assert trial.d1("SELECT count(*) FROM customer") == [[30]]
    assert our_leftovers(trial.streamer.target, trial.streamer.uuid) == []
    assert (again.code, trial.state) == (3, after)


async def test_tables_that_the_role_may_not_read_whole_stop_the_run(
    trial: Trial, postgres: Postgres
) -> None:
    role = f"reader_of_{trial.source.name}"
    await trial.source.execute(
        f"CREATE ROLE {role} LOGIN PASSWORD '{CANARY}'; GRANT SELECT ON nobody TO {role};"
        "ALTER TABLE nobody ENABLE ROW LEVEL SECURITY"
    )
    ours = dsn(trial.source, user=role)

    trial.refused("run", code=2, says="public.customer: .*SELECT", POSTGRES_DSN=ours)
    trial.refused(
        "run", "--exclude", "customer", code=2, says="public.nobody: .*row-level", POSTGRES_DSN=ours
    )
    await trial.source.execute(f"DROP OWNED BY {role}; DROP ROLE {role}")


async def test_a_row_that_packing_finds_too_big_stops_the_run_with_table_key_and_size(
    trial: Trial,
) -> None:
    await trial.source.execute("INSERT INTO customer VALUES (77, repeat('x', 1999995))")

    done = trial.run("run")

    assert done.code == 1
    assert "public.customer, key 77: the row takes 2,000,0" in done.stderr
    assert "public.customer, key 77" in trial.streamer.report["errors"][0]


async def test_rows_that_d1_refuses_stop_the_run_and_it_goes_on_once_they_are_mended(
    trial: Trial,
) -> None:
    unfinished(trial)

    assert "customer" in trial.streamer.report["errors"][0]
    await trial.source.execute("DELETE FROM customer WHERE id = 7")
    done = trial.run("run", "--resume")
    assert done.code == 0, done.said
    assert trial.d1("SELECT count(*) FROM customer") == [[29]]


# What is there already


@pytest.mark.parametrize(
    ("there", "arguments", "says"),
    [
        ("TABLE customer (id INTEGER PRIMARY KEY)", [], "without the columns name"),
        ("TABLE customer (id TEXT PRIMARY KEY, name TEXT)", [], "id is TEXT, planned INTEGER"),
        ("TABLE customer (id INTEGER, name TEXT)", [], "no primary key"),
        ("VIEW customer AS SELECT 1 AS id, 2 AS name", [], "customer: a view"),
        ("TABLE other (id INTEGER)", ["--no-schema"], "customer, nobody: not in D1"),
    ],
    ids=["columns", "types", "key", "view", "no schema"],
)
async def test_a_table_in_d1_that_is_not_as_planned_is_left_alone(
    trial: Trial, there: str, arguments: list[str], says: str
) -> None:
    trial.d1(f"CREATE {there}")

    trial.refused("run", *arguments, code=2, says=says)
    trial.refused("run", *arguments, "--if-exists", "replace", code=2, says=says)


async def test_rows_in_d1_are_left_alone_unless_the_user_says_otherwise(trial: Trial) -> None:
    trial.d1("CREATE TABLE customer (id INTEGER PRIMARY KEY, name TEXT)")
    trial.d1("INSERT INTO customer VALUES (1000, 'mine')")
    trial.d1("CREATE TABLE theirs (customer INTEGER REFERENCES customer)")

    trial.refused("run", code=2, says="customer: already in D1, with rows\n.*--if-exists upsert")
    trial.refused("run", "--if-exists", "replace", code=2, says="theirs outside this run refers")
    assert trial.run("run", "--if-exists", "upsert").code == 0
    assert trial.d1("SELECT count(*) FROM customer") == [[31]]


# Checkpoints


async def test_a_file_that_is_no_checkpoint_is_left_alone(trial: Trial) -> None:
    for path, made in (("folder.db", "folder"), ("text.db", "text"), ("foreign.db", "foreign")):
        trial.streamer.overrides["STREAMER_CHECKPOINT"] = path
        place = trial.streamer.folder / path
        if made == "folder":
            place.mkdir()
        elif made == "text":
            place.write_text("precious")
        else:
            with sqlite3.connect(place) as foreign:
                foreign.execute("CREATE TABLE mine (id)")
            foreign.close()
        before = place.read_bytes() if place.is_file() else b""

        for more in ([], ["--resume"], ["--restart"]):
            trial.refused("run", *more, code=1, says=f"{path}: .*\n.*--checkpoint")

        assert (place.read_bytes() if place.is_file() else b"") == before


async def test_a_checkpoint_without_its_folder_is_no_run(trial: Trial) -> None:
    trial.refused("run", "--checkpoint", "no/x.db", code=1, says="there is no folder no\n")


async def test_fault_19_a_truncated_checkpoint_is_never_started_over(trial: Trial) -> None:
    unfinished(trial)
    content = trial.streamer.checkpoint.read_bytes()
    trial.streamer.checkpoint.write_bytes(content[: len(content) // 2])

    for more in ([], ["--resume"], ["--restart"]):
        trial.refused("run", *more, code=1, says="streamer.checkpoint.db: not whole")


async def test_an_unfinished_run_goes_on_as_it_was_or_not_at_all(
    trial: Trial, postgres: Postgres
) -> None:
    unfinished(trial)
    elsewhere = await postgres.create_database()
    await elsewhere.execute(SHOP)
    other = trial.streamer.target.create(f"{trial.source.name}-other")

    trial.refused("run", code=2, says="isn't finished.*\n.*--resume, or start over with --restart")
    trial.refused(
        "run", "--resume", code=2, says="another source: database", POSTGRES_DSN=elsewhere.dsn
    )
    trial.refused("run", "--resume", code=2, says="another target", D1_DATABASE_ID=other)
    trial.refused("run", "--resume", "--exclude", "nobody", code=2, says="public.nobody")
    objects = trial.streamer.target.rows(other, "SELECT name FROM sqlite_master")
    assert [name for (name,) in objects if not name.startswith("_cf_")] == []
    await postgres.drop_database(elsewhere.name)
    trial.streamer.target.delete(other)


async def test_a_second_run_names_the_first(trial: Trial) -> None:
    unfinished(trial)
    lock = take(trial.streamer.checkpoint)

    trial.refused("run", "--resume", code=1, says=f"in use by process {os.getpid()} on ")
    lock.release()


async def test_a_finished_run_has_nothing_to_resume_and_only_in_its_own_place(
    trial: Trial,
) -> None:
    finished(trial)
    after = trial.state

    again = trial.run("run", "--resume")

    assert (again.code, again.stdout) == (0, "")
    assert "nothing to do" in again.stderr
    assert trial.state == after
    trial.refused(
        "run", "--resume", code=2, says="another target", D1_DATABASE_ID="another-database"
    )
    trial.refused(
        "run", "--resume", code=2, says="another source", POSTGRES_DSN=dsn(trial.source, name="x")
    )
    by_name = trial.run("run", "--resume", D1_DATABASE_ID=trial.source.name)
    assert by_name.code == 0, by_name.said


# Outputs


def with_streams(
    trial: Trial, *arguments: str, stdout: int, stderr: int = subprocess.PIPE
) -> subprocess.CompletedProcess[str]:
    """Run a command that writes its results to the descriptor `stdout`, closed at the end."""
    try:
        return subprocess.run(
            [sys.executable, "-m", "streamer", *arguments],
            cwd=trial.streamer.folder,
            env=trial.streamer.environment,
            stdout=stdout,
            stderr=stderr,
            text=True,
            timeout=60,
            check=False,
        )
    finally:
        os.close(stdout)


async def test_a_report_that_can_not_be_written_is_a_warning(trial: Trial) -> None:
    (trial.streamer.folder / "report").mkdir()

    done = trial.run("run", "--report", "report", "--log-file", "run.log")

    assert done.code == 0
    assert re.search("warning .*report", done.stderr)
    assert "Report:" not in done.stdout
    assert "warning" in (trial.streamer.folder / "run.log").read_text()


@pytest.mark.parametrize("command", ["plan", "schema", "run"])
def test_a_reader_that_goes_away_does_no_harm(trial: Trial, command: str) -> None:
    reading, writing = os.pipe()
    os.close(reading)

    done = with_streams(trial, command, stdout=writing)

    assert done.returncode == 141
    assert [line for line in done.stderr.splitlines() if "Z info" not in line] == []
    if command == "run":
        assert trial.run("run", "--resume").code == 0
        assert trial.d1("SELECT count(*) FROM customer") == [[30]]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="Linux has a disk that is always full")
def test_a_log_that_can_not_be_written_leaves_the_exit_code_as_it_is(trial: Trial) -> None:
    full = os.open("/dev/full", os.O_WRONLY)

    done = with_streams(trial, "run", stdout=os.open(os.devnull, os.O_WRONLY), stderr=full)
    os.close(full)

    assert done.returncode == 0
    assert trial.d1("SELECT count(*) FROM customer") == [[30]]
