"""Tables without a key of which D1 holds more than is written down, and others refer to that already.

A run waits with these until that is written down. Older versions didn't, and so left checkpoints that
are behind; one that was made anew from the ledger may be, too.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace

import pytest

from checkpoints import CheckpointStore, StepRecord
from tests.stories.command import Streamer
from tests.stories.compare import differences, our_leftovers

pytestmark = [pytest.mark.postgres, pytest.mark.workerd, pytest.mark.processes]

OPTIONS = ("--batch-bytes", "2500", "--concurrency", "2", "--progress", "none")
# `node` refers to itself, `maker` back to it, both in a second pass; all others from the beginning.
SAMPLE = """
CREATE TABLE maker (id int PRIMARY KEY, best int);
INSERT INTO maker SELECT n, 1 + n % 300 FROM generate_series(1, 800) AS n;
CREATE TABLE node (id int UNIQUE, up int REFERENCES node (id) ON DELETE CASCADE,
    maker int NOT NULL REFERENCES maker);
INSERT INTO node SELECT n, CASE WHEN n > 1 THEN 1 + 7 * n % 300 END, n FROM generate_series(1, 300) AS n;
ALTER TABLE maker ADD FOREIGN KEY (best) REFERENCES node (id) ON DELETE SET NULL;
CREATE TABLE child (id int PRIMARY KEY, node int NOT NULL REFERENCES node (id) ON DELETE CASCADE);
INSERT INTO child SELECT n, 300 - n % 300 FROM generate_series(1, 400) AS n;
CREATE TABLE label (id int PRIMARY KEY, node int REFERENCES node (id) ON DELETE SET NULL);
INSERT INTO label SELECT n, 1 + n % 300 FROM generate_series(1, 400) AS n;
CREATE TABLE mark (node int NOT NULL REFERENCES node (id), id int UNIQUE);
INSERT INTO mark SELECT 1 + n % 300, n FROM generate_series(1, 400) AS n;
CREATE TABLE stain (id int PRIMARY KEY, mark int REFERENCES mark (id) ON DELETE RESTRICT);
INSERT INTO stain SELECT n, 1 + n % 400 FROM generate_series(1, 400) AS n;
CREATE TABLE note (id int PRIMARY KEY, child int REFERENCES child ON DELETE RESTRICT);
INSERT INTO note SELECT n, 1 + n % 400 FROM generate_series(1, 4000) AS n;
"""
OTHERS = frozenset({"maker", "child", "label", "mark", "stain", "note"})


async def forget(streamer: Streamer, others: frozenset[str]) -> None:
    """Have the checkpoint know of the rows of `node` that came first, and of none of `others`."""
    asked = "SELECT last, rows FROM _streamer_ledger WHERE \"table\" = 'node' AND step = 'rows'"
    (last, rows), *further = streamer.target.rows(streamer.uuid, f"{asked} ORDER BY first")
    assert further, "all of its rows came in one request"
    async with await CheckpointStore.open(streamer.checkpoint) as store:
        saved = await store.read()
        assert saved is not None
        await store.save(
            steps=[
                _earlier(step, json.loads(str(last)), int(str(rows)), others)
                for step in saved.steps
            ]
        )


def _earlier(step: StepRecord, last: list[str], rows: int, others: frozenset[str]) -> StepRecord:
    table = step.table.removeprefix("public.")
    if step.kind == "rows" and table == "node":
        return replace(step, state="doing", last_key=tuple(last), rows=rows)
    forgotten = table in others if step.kind == "rows" else table in {*others, "node"}
    if step.kind not in {"rows", "edges"} or not forgotten:
        return step
    facts = {k: v for k, v in step.document.items() if k not in {"first", "skipped", "last_gone"}}
    return replace(
        step, state="todo", last_key=None, next_number=0, rows=0, bytes=0, document=facts
    )


@pytest.mark.parametrize(
    ("words", "others"),
    [
        ('INTO "note"', frozenset()),
        ('INTO "note"', OTHERS - {"maker"}),
        ('INTO "note"', frozenset({"mark", "note"})),
        ('UPDATE "node"', OTHERS),
        ('UPDATE "maker"', frozenset()),
    ],
    ids=[
        "others are written down",
        "others aren't written down",
        "some are",
        "before the second pass",
        "within a second pass",
    ],
)
async def test_a_resume_behind_rows_that_others_refer_to_makes_way_and_loses_none(
    streamer: Streamer, words: str, others: frozenset[str]
) -> None:
    await streamer.source.execute(SAMPLE)
    streamer.stopped_at(words, *OPTIONS, requests=2)
    await forget(streamer, others)

    done = await asyncio.to_thread(streamer, "run", "--resume", *OPTIONS)

    assert done.code == 0, done.said
    assert await differences(streamer.source, streamer.target, streamer.uuid) == []
    assert our_leftovers(streamer.target, streamer.uuid) == []


async def test_rows_of_others_stay_where_rows_that_ours_refer_to_come_again(
    streamer: Streamer,
) -> None:
    await streamer.source.execute(SAMPLE)
    target, uuid = streamer.target, streamer.uuid
    target.run(
        uuid,
        "CREATE TABLE node (id INTEGER, up INTEGER REFERENCES node (id) ON DELETE CASCADE,"
        " maker INTEGER NOT NULL)",
    )
    target.run(uuid, "CREATE UNIQUE INDEX node_id ON node (id)")
    target.run(
        uuid,
        "CREATE TABLE label (id INTEGER PRIMARY KEY,"
        " node INTEGER REFERENCES node (id) ON DELETE RESTRICT)",
    )
    target.run(uuid, "INSERT INTO label VALUES (-1, NULL)")
    options = (*OPTIONS, "--if-exists", "upsert")
    streamer.stopped_at('INTO "note"', *options, requests=2)
    await forget(streamer, frozenset())

    done = await asyncio.to_thread(streamer, "run", "--resume", *options)

    assert done.code == 0, done.said
    assert target.rows(uuid, "SELECT node FROM label WHERE id = -1") == [[None]]
    target.run(uuid, "DELETE FROM label WHERE id = -1")
    assert await differences(streamer.source, streamer.target, streamer.uuid) == []
