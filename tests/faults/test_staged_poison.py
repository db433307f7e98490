"""Rows that D1 will never take, of tables that are published together, and of those without a key."""

from __future__ import annotations

import json

import pytest

from tests.stories.command import Streamer
from tests.stories.compare import differences, our_leftovers

pytestmark = [pytest.mark.postgres, pytest.mark.workerd, pytest.mark.processes]

OPTIONS = ("--progress", "none")
REJECT = (*OPTIONS, "--on-error", "reject")
CYCLE = """
CREATE TABLE chicken (id int PRIMARY KEY, egg int NOT NULL, name text, mark text UNIQUE);
CREATE TABLE egg (id int PRIMARY KEY, chicken int NOT NULL, colour text);
CREATE TABLE feather (id int PRIMARY KEY, chicken int NOT NULL REFERENCES chicken);
INSERT INTO chicken SELECT n, n, 'precious ' || n, 'm' || n FROM generate_series(1, 90) AS n;
INSERT INTO egg SELECT n, 1 + n % 90, 'precious' FROM generate_series(1, 90) AS n;
INSERT INTO feather SELECT n, n FROM generate_series(1, 90) AS n;
ALTER TABLE chicken ADD FOREIGN KEY (egg) REFERENCES egg DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE egg ADD FOREIGN KEY (chicken) REFERENCES chicken DEFERRABLE INITIALLY DEFERRED;
UPDATE chicken SET egg = 1 WHERE id IN (30, 60);
UPDATE egg SET chicken = 2 WHERE id IN (29, 59);
UPDATE chicken SET name = NULL WHERE id = 60
"""
# As the run would make it, and two constraints that the source knows nothing of.
TARGET = """
CREATE TABLE chicken (id INTEGER PRIMARY KEY, egg INTEGER NOT NULL REFERENCES egg (id)
    DEFERRABLE INITIALLY DEFERRED, name TEXT NOT NULL, mark TEXT UNIQUE,
    CONSTRAINT thirty CHECK (name <> 'precious 30'))
"""
THIRTY, NULL = "CHECK constraint failed: thirty", "NOT NULL constraint failed: chicken.name"
NODES = """
CREATE TABLE node (id int UNIQUE, up int REFERENCES node (id), line text);
INSERT INTO node SELECT n, NULL, 'precious ' || n FROM generate_series(1, 40) AS n;
UPDATE node SET up = 1 + id % 40;
UPDATE node SET line = 'precious 7' WHERE id IN (8, 9)
"""


async def test_fault_12_bad_rows_of_a_cycle_stop_it_by_key_and_reason_and_are_read_again_once_mended(
    streamer: Streamer,
) -> None:
    await streamer.source.execute(CYCLE)
    streamer.target.run(streamer.uuid, TARGET)

    stopped = streamer("run", *OPTIONS)
    await streamer.source.execute("UPDATE chicken SET name = 'free' WHERE id IN (30, 60)")
    done = streamer("run", "--resume", *OPTIONS)

    assert stopped.code == 1, stopped.said
    assert f"public.chicken, key 30: {THIRTY}" in " ".join(stopped.stderr.split())
    assert "precious" not in stopped.said
    assert done.code == 0, done.said
    assert our_leftovers(streamer.target, streamer.uuid) == []
    assert await differences(streamer.source, streamer.target, streamer.uuid) == []


async def test_fault_12_bad_rows_of_a_cycle_are_rejected_with_what_refers_to_them_and_sent_again(
    streamer: Streamer,
) -> None:
    await streamer.source.execute(CYCLE)
    streamer.target.run(streamer.uuid, TARGET)

    done = streamer("run", *REJECT)
    report, bad = streamer.report, rejects(streamer)
    await streamer.source.execute("UPDATE chicken SET name = 'free' WHERE id IN (30, 60)")
    retried = streamer("run", "--retry-rejects", *OPTIONS)

    referring = "it refers to a row of public.chicken, key {}, that was rejected"
    assert done.code == 3, done.said
    assert "precious" not in done.said
    assert bad == {
        ("chicken", "30", THIRTY),
        ("chicken", "60", NULL),
        *(("feather", str(n), referring.format(n)) for n in (30, 60)),
    }
    totals = report["totals"]
    assert (totals["rows_read"], totals["rows_written"], totals["rows_rejected"]) == (270, 266, 4)
    assert retried.code == 0, retried.said
    assert rejects(streamer) == set()
    assert our_leftovers(streamer.target, streamer.uuid) == []
    assert await differences(streamer.source, streamer.target, streamer.uuid) == []


@pytest.mark.parametrize("pack", ["json", "values", "rows"])
async def test_fault_12_rejected_rows_without_a_key_keep_what_they_refer_to(
    streamer: Streamer, pack: str
) -> None:
    await streamer.source.execute(NODES)
    streamer.target.run(
        streamer.uuid,
        "CREATE TABLE node (id INTEGER UNIQUE, up INTEGER REFERENCES node (id), line TEXT)",
    )
    streamer.target.run(streamer.uuid, "CREATE UNIQUE INDEX once ON node (line)")

    done = streamer("run", *REJECT, "--pack", pack)
    bad = rejects(streamer, "rowid")
    streamer.target.run(streamer.uuid, "DROP INDEX once")
    retried = streamer("run", "--retry-rejects", *OPTIONS)

    assert done.code == 3, done.said
    assert len(bad) == 3  # two rows, and one whose reference to the first is left out
    assert retried.code == 0, retried.said
    assert await differences(streamer.source, streamer.target, streamer.uuid) == []


# Chickens have no key, and cells of all kinds.
MIXED = """
CREATE TABLE chicken (id int UNIQUE, egg int NOT NULL, name text NOT NULL, big bigint, half float8,
    raw bytea, at timestamptz, ok boolean, n numeric, mark text);
CREATE TABLE egg (id int PRIMARY KEY, chicken int NOT NULL, colour text);
CREATE TABLE feather (id int PRIMARY KEY, chicken int NOT NULL REFERENCES chicken (id));
INSERT INTO chicken SELECT n, n, 'precious ' || n, 9007199254740993 + n, n / 3.0, decode(md5(n::text), 'hex'),
    timestamptz '2024-01-01 12:00+03' + n * interval '0.001 s', n % 2 = 0, n / 7.0, 'm' || n
FROM generate_series(1, 90) AS n;
INSERT INTO egg SELECT n, 1 + n % 90, 'precious' FROM generate_series(1, 90) AS n;
INSERT INTO feather SELECT n, n FROM generate_series(1, 90) AS n;
ALTER TABLE chicken ADD FOREIGN KEY (egg) REFERENCES egg DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE egg ADD FOREIGN KEY (chicken) REFERENCES chicken (id) DEFERRABLE INITIALLY DEFERRED;
UPDATE egg SET chicken = 2 WHERE id IN (7, 8);
UPDATE chicken SET name = 'precious 7' WHERE id IN (8, 9);
BEGIN; INSERT INTO egg VALUES (91, 8, 'precious'); INSERT INTO chicken VALUES (91, 91, 'precious 91'); COMMIT
"""


async def test_fault_12_bad_rows_without_a_key_stop_a_cycle_by_place_and_are_read_again_once_mended(
    streamer: Streamer,
) -> None:
    await streamer.source.execute(CYCLE.replace("id int PRIMARY KEY, egg", "id int UNIQUE, egg")
                                  .replace("REFERENCES chicken", "REFERENCES chicken (id)"))  # fmt: skip
    streamer.target.run(
        streamer.uuid, TARGET.replace("id INTEGER PRIMARY KEY", "id INTEGER UNIQUE")
    )

    stopped = streamer("run", *OPTIONS)
    again = streamer("run", "--resume", *OPTIONS)
    await streamer.source.execute("UPDATE chicken SET name = 'free' WHERE id IN (30, 60)")
    done = streamer("run", "--resume", *OPTIONS)

    for ended in (stopped, again):
        assert ended.code == 1, ended.said
        said = " ".join(ended.stderr.split())
        assert f": {THIRTY}" in said or f": {NULL}" in said
        assert "public.chicken, key " in said
        assert "--on-error reject sets such rows aside" in said
        assert "precious" not in ended.said
    assert done.code == 0, done.said
    assert our_leftovers(streamer.target, streamer.uuid) == []
    assert await differences(streamer.source, streamer.target, streamer.uuid) == []


async def test_fault_12_bad_rows_without_a_key_are_rejected_as_they_are_staged_and_sent_again(
    streamer: Streamer,
) -> None:
    await streamer.source.execute(MIXED)
    streamer.stopped_at('INTO "_streamer_stage_chicken"', *OPTIONS)
    streamer.target.run(streamer.uuid, "CREATE UNIQUE INDEX once ON chicken (name)")

    done = streamer("run", "--resume", *REJECT)
    report, bad = streamer.report, rejects(streamer, any_key=True)
    streamer.target.run(streamer.uuid, "DROP INDEX once")
    retried = streamer("run", "--retry-rejects", *OPTIONS)

    once = "UNIQUE constraint failed: chicken.name: another row that is moved has its value, as D1 compares it"
    referring = "it refers to a row of public.{} that was rejected"
    assert done.code == 3, done.said
    assert "precious" not in done.said
    assert sorted((table, reason) for table, _, reason in bad) == [
        ("chicken", once),
        ("chicken", once),
        ("chicken", referring.format("egg, key 91,")),
        ("egg", referring.format("chicken")),
        ("feather", referring.format("chicken")),
        ("feather", referring.format("chicken")),
    ]
    totals = report["totals"]
    assert (totals["rows_read"], totals["rows_written"], totals["rows_rejected"]) == (272, 266, 6)
    assert retried.code == 0, retried.said
    assert our_leftovers(streamer.target, streamer.uuid) == []
    assert await differences(streamer.source, streamer.target, streamer.uuid) == []


def rejects(
    streamer: Streamer, key: str = "id", *, any_key: bool = False
) -> set[tuple[str, str, str]]:
    found: set[tuple[str, str, str]] = set()
    for path in (streamer.folder / "rejects").glob("*.ndjson"):
        for line in map(json.loads, path.read_text().splitlines()):
            value = ",".join(line["key"].values()) if any_key else line["key"][key]
            found.add((path.stem, value, line["reason"]))
    return found
