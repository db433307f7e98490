"""Rows of tables that are published together, which refer to what the source hasn't got."""

from __future__ import annotations

import pytest

from tests.faults.test_staged_poison import rejects
from tests.faults.test_staged_rows import KEYLESS, until_chickens_are_done
from tests.faults.test_staged_rows import OPTIONS as SMALL
from tests.stories.command import Streamer
from tests.stories.compare import differences, our_leftovers

pytestmark = [pytest.mark.postgres, pytest.mark.workerd, pytest.mark.processes]

OPTIONS = ("--progress", "none")
REJECT = ("--on-error", "reject")
ORPHANED = "SET session_replication_role = replica; DELETE FROM egg WHERE id = 3991"
MENDED = "SET session_replication_role = replica; UPDATE chicken SET egg = 5 WHERE id = 10"
WHY = "it refers to a row of public.{} that {}"
GONE = WHY.format("egg, key 3991,", "the source hasn't got")
# Hundred eggs refer to that chicken; to one of them another, and to this one hundred others, less the one.
ALONG = {
    ("egg", WHY.format("chicken", "was rejected")): 199,
    ("chicken", WHY.format("egg, key 3969,", "was rejected")): 1,
}


def why(streamer: Streamer) -> dict[tuple[str, str], int]:
    """How many rows of which table were rejected for which reason."""
    found = [(table, reason) for table, _, reason in rejects(streamer, any_key=True)]
    return {one: found.count(one) for one in found}


async def test_fault_12_staged_rows_without_a_key_that_refer_to_nothing_are_rejected_at_once(
    streamer: Streamer,
) -> None:
    await streamer.source.execute(KEYLESS)
    await streamer.source.execute(ORPHANED)

    done = streamer("run", *OPTIONS, *REJECT)
    bad, kept = why(streamer), [count(streamer, "chicken"), count(streamer, "egg")]
    await streamer.source.execute(MENDED)
    retried = streamer("run", "--retry-rejects", *OPTIONS)

    assert done.code == 3, done.said
    assert bad == {("chicken", GONE): 1, **ALONG}
    assert kept == [38, 3800]
    assert retried.code == 0, retried.said
    assert our_leftovers(streamer.target, streamer.uuid) == []
    assert await differences(streamer.source, streamer.target, streamer.uuid) == []


async def test_fault_12_staged_rows_without_a_key_that_refer_to_nothing_stop_the_run_until_mended(
    streamer: Streamer,
) -> None:
    await streamer.source.execute(KEYLESS)
    await streamer.source.execute(ORPHANED)

    stopped = streamer("run", *OPTIONS)
    await streamer.source.execute(MENDED)
    done = streamer("run", "--resume", *OPTIONS)

    assert stopped.code == 1, stopped.said
    assert GONE in " ".join(stopped.stderr.split())
    assert "changed while they were read" not in stopped.said
    assert done.code == 0, done.said
    assert await differences(streamer.source, streamer.target, streamer.uuid) == []


async def test_fault_12_staged_rows_without_a_key_are_read_again_before_they_are_rejected(
    streamer: Streamer,
) -> None:
    await streamer.source.execute(KEYLESS)
    until_chickens_are_done(streamer)
    await streamer.source.execute(ORPHANED)

    ended = [streamer("run", "--resume", *SMALL, *REJECT) for _ in range(4)]

    assert [one.code for one in ended] == [75, 75, 75, 3], ended[-1].said
    assert why(streamer) == {("chicken", GONE): 1, **ALONG}
    assert count(streamer, "chicken") == 38
    assert our_leftovers(streamer.target, streamer.uuid) == []


def count(streamer: Streamer, table: str) -> int:
    ((rows,),) = streamer.target.rows(streamer.uuid, f"SELECT count(*) FROM {table}")
    return rows
