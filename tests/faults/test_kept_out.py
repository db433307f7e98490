"""Rows whose UNIQUE values are held by rows that D1 doesn't take as they are now."""

from __future__ import annotations

import pytest

from tests.faults.test_moved_values import MEMBERS, OPTIONS, stopped_beside_a_bad_row
from tests.faults.test_staged_poison import rejects
from tests.stories.command import Streamer
from tests.stories.compare import differences, our_leftovers

pytestmark = [pytest.mark.postgres, pytest.mark.workerd, pytest.mark.processes]

REJECT = ("--on-error", "reject")
TABLES = ("--table", "town", "--table", "member")
ONCE = "UNIQUE constraint failed: member.mail"
REFUSED = "CHECK constraint failed: plain"


async def test_fault_12_and_36_a_row_kept_out_by_one_that_refers_to_a_bad_one_comes_once_that_is_mended(
    streamer: Streamer,
) -> None:
    options = (*OPTIONS, *TABLES, *REJECT, "--indexes", "before")
    await stopped_beside_a_bad_row(streamer, *options)

    done = streamer("run", "--resume", *options)
    bad = rejects(streamer)
    query = "SELECT id, mail FROM member WHERE id IN (10, 20, 910, 920) ORDER BY id"
    kept = streamer.target.rows(streamer.uuid, query)
    await streamer.source.execute("UPDATE town SET land = 'b' WHERE id = 2")
    retried = streamer("run", "--retry-rejects", *OPTIONS)

    assert done.code == 3, done.said
    assert "precious" not in done.said
    assert bad == {("member", "920", ONCE)}
    assert kept == [[10, "x"], [20, "m20"], [910, "m10"]]
    assert retried.code == 0, retried.said
    assert our_leftovers(streamer.target, streamer.uuid) == []
    assert await differences(streamer.source, streamer.target, streamer.uuid) == []


async def test_fault_12_and_36_a_row_kept_out_by_a_bad_one_comes_once_that_is_mended(
    streamer: Streamer,
) -> None:
    options = (*OPTIONS, *TABLES)
    await streamer.source.execute(MEMBERS)
    first = streamer("run", *options)
    streamer.target.run(
        streamer.uuid,
        "CREATE TRIGGER once BEFORE UPDATE ON member WHEN new.nick = 'precious' "
        f"BEGIN SELECT RAISE(ABORT, '{REFUSED}'); END",
    )
    await streamer.source.execute(
        "UPDATE member SET mail = 'y', nick = 'precious' WHERE id = 20;"
        "UPDATE member SET mail = 'm20' WHERE id = 920"
    )

    done = streamer("run", "--if-exists", "upsert", *options, *REJECT)
    bad = rejects(streamer)
    query = "SELECT id, mail FROM member WHERE id IN (20, 920) ORDER BY id"
    kept = streamer.target.rows(streamer.uuid, query)
    await streamer.source.execute("UPDATE member SET nick = 'free' WHERE id = 20")
    retried = streamer("run", "--retry-rejects", *OPTIONS)

    assert first.code == 0, first.said
    assert done.code == 3, done.said
    assert "precious" not in done.said
    assert bad == {("member", "20", REFUSED), ("member", "920", ONCE)}
    assert kept == [[20, "m20"], [920, "m920"]]
    assert retried.code == 0, retried.said
    assert our_leftovers(streamer.target, streamer.uuid) == []
    assert await differences(streamer.source, streamer.target, streamer.uuid) == []
