"""Tables without a key whose rows aren't the same ones at a resume, and what refers to them by then."""

from __future__ import annotations

import pytest

from tests.engines.postgres import Database
from tests.stories.command import Streamer
from tests.stories.compare import differences, our_leftovers

pytestmark = [pytest.mark.postgres, pytest.mark.workerd, pytest.mark.processes]

OPTIONS = ("--batch-bytes", "8000", "--concurrency", "2", "--progress", "none")
LEAVES = """
CREATE TABLE leaf (id int PRIMARY KEY, line int NOT NULL REFERENCES line, label int REFERENCES label);
INSERT INTO leaf SELECT n, 1 + n % 60, 1 + n % 60 FROM generate_series(1, 1500) AS n;
"""
REFERENCES = """
CREATE TABLE line (id int PRIMARY KEY, part int NOT NULL, CONSTRAINT line_part
    FOREIGN KEY (part) REFERENCES part (code) ON DELETE CASCADE);
CREATE TABLE label (id int PRIMARY KEY, part int, CONSTRAINT label_part
    FOREIGN KEY (part) REFERENCES part (code) ON DELETE SET NULL);
INSERT INTO line SELECT n, 1 + n % 50 FROM generate_series(1, 60) AS n;
INSERT INTO label SELECT n, 1 + n % 50 FROM generate_series(1, 60) AS n;
"""
REFERENCED_AGAIN = """
ALTER TABLE line ADD CONSTRAINT line_part
    FOREIGN KEY (part) REFERENCES part (code) ON DELETE CASCADE;
ALTER TABLE label ADD CONSTRAINT label_part
    FOREIGN KEY (part) REFERENCES part (code) ON DELETE SET NULL;
"""
PARTS = "SELECT 51 - n, 'p' || n FROM generate_series(1, 50) AS n;"
# All of its rows are moved at once.
DIRECT = "CREATE TABLE part (code int UNIQUE, name text);" + f"INSERT INTO part {PARTS}"
# Its rows refer to each other, so that a second pass follows.
TWO_PASSES = (
    "CREATE TABLE part (code int UNIQUE, name text, up int REFERENCES part (code));"
    f"INSERT INTO part {PARTS}; UPDATE part SET up = nullif(code, 7) % 50 + 1;"
)
# It is published together with another.
STAGED = """
CREATE TABLE part (code int UNIQUE, name text, maker int NOT NULL);
CREATE TABLE maker (id int PRIMARY KEY, part int NOT NULL);
INSERT INTO part SELECT 51 - n, 'p' || n, n FROM generate_series(1, 50) AS n;
INSERT INTO maker SELECT n, n FROM generate_series(1, 50) AS n;
ALTER TABLE part ADD FOREIGN KEY (maker) REFERENCES maker DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE maker ADD CONSTRAINT maker_part
    FOREIGN KEY (part) REFERENCES part (code) DEFERRABLE INITIALLY DEFERRED;
"""
STAGED_AGAIN = """
ALTER TABLE part ADD FOREIGN KEY (maker) REFERENCES maker DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE maker ADD CONSTRAINT maker_part
    FOREIGN KEY (part) REFERENCES part (code) DEFERRABLE INITIALLY DEFERRED;
"""
# It refers to a table that refers back to it, in a second pass.
CYCLE = """
CREATE TABLE part (code int UNIQUE, name text, maker int NOT NULL);
CREATE TABLE maker (id int PRIMARY KEY, best int);
INSERT INTO part SELECT 51 - n, 'p' || n, n FROM generate_series(1, 50) AS n;
INSERT INTO maker SELECT n, 1 + n % 50 FROM generate_series(1, 800) AS n;
ALTER TABLE part ADD FOREIGN KEY (maker) REFERENCES maker;
ALTER TABLE maker ADD CONSTRAINT maker_best FOREIGN KEY (best) REFERENCES part (code);
"""
CYCLE_AGAIN = """
ALTER TABLE part ADD FOREIGN KEY (maker) REFERENCES maker;
ALTER TABLE maker ADD CONSTRAINT maker_best FOREIGN KEY (best) REFERENCES part (code);
"""
AGAIN = "ALTER TABLE part ADD FOREIGN KEY (up) REFERENCES part (code);"


def made_anew(columns: str, again: str) -> str:
    """What drops `part`, and makes it again with fewer rows, in other places."""
    return (
        "CREATE TABLE kept AS SELECT * FROM part ORDER BY code; DROP TABLE part CASCADE;"
        f"CREATE TABLE part ({columns}); INSERT INTO part SELECT * FROM kept; DROP TABLE kept;"
        f"{again}{REFERENCED_AGAIN}"
    )


async def carried_out(source: Database, change: str) -> None:
    """Carry out statements that can't all be in one transaction."""
    for statement in filter(str.strip, change.split(";")):
        await source.execute(statement)


@pytest.mark.parametrize(
    ("parts", "words", "change"),
    [
        (DIRECT, 'INTO "leaf"', made_anew("code int UNIQUE, name text", "")),
        (
            TWO_PASSES,
            'INTO "leaf"',
            made_anew("code int UNIQUE, name text, up int", AGAIN),
        ),
        (
            TWO_PASSES,
            'UPDATE "part"',
            "UPDATE part SET name = 'x' WHERE code < 9; VACUUM FULL part",
        ),
        (
            CYCLE,
            'UPDATE "maker"',
            made_anew("code int UNIQUE, name text, maker int NOT NULL", CYCLE_AGAIN),
        ),
        (
            STAGED,
            'INTO "leaf"',
            made_anew("code int UNIQUE, name text, maker int NOT NULL", STAGED_AGAIN),
        ),
    ],
    ids=[
        "made anew",
        "made anew, of two passes",
        "rewritten before its second pass",
        "of a cycle",
        "published",
    ],
)
async def test_fault_21_what_refers_to_a_table_without_a_key_comes_again_with_it(
    streamer: Streamer, parts: str, words: str, change: str
) -> None:
    await streamer.source.execute(parts + REFERENCES + LEAVES)
    streamer.stopped_at(words, *OPTIONS, requests=not words.endswith('"part"'))
    await carried_out(streamer.source, change)

    done = streamer("run", "--resume", *OPTIONS)

    assert done.code == 0, done.said
    assert await differences(streamer.source, streamer.target, streamer.uuid) == []
    assert our_leftovers(streamer.target, streamer.uuid) == []


async def test_what_refers_to_a_table_without_a_key_and_rows_stays_at_a_resume(
    streamer: Streamer,
) -> None:
    await streamer.source.execute(
        "CREATE TABLE part (code int UNIQUE, maker int);"
        "CREATE TABLE maker (id int PRIMARY KEY, part int REFERENCES part (code));"
        "INSERT INTO maker SELECT n FROM generate_series(1, 3000) AS n;"
        "ALTER TABLE part ADD FOREIGN KEY (maker) REFERENCES maker;"
    )
    streamer.stopped_at('INTO "maker"', *OPTIONS, requests=2)

    done = streamer("run", "--resume", *OPTIONS)

    assert done.code == 0, done.said
    assert await differences(streamer.source, streamer.target, streamer.uuid) == []


async def test_rows_that_a_table_held_before_the_run_are_not_taken_away_with_what_it_refers_to(
    streamer: Streamer,
) -> None:
    await streamer.source.execute(DIRECT + REFERENCES + LEAVES)
    target, uuid = streamer.target, streamer.uuid
    target.run(uuid, "CREATE TABLE part (code INTEGER UNIQUE, name TEXT)")
    target.run(
        uuid,
        "CREATE TABLE line (id INTEGER PRIMARY KEY, part INTEGER REFERENCES part (code)"
        " ON DELETE CASCADE)",
    )
    target.run(uuid, "INSERT INTO line VALUES (-1, NULL)")
    options = (*OPTIONS, "--if-exists", "upsert")
    streamer.stopped_at('INTO "leaf"', *options, requests=1)
    await carried_out(streamer.source, made_anew("code int UNIQUE, name text", ""))

    refused = streamer("run", "--resume", *options)

    assert refused.code == 1, refused.said
    assert "public.line refers to them, and held rows before the run" in refused.said
    assert target.rows(uuid, "SELECT count(*) FROM line") == [[61]]
