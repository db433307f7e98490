"""One answer of D1 isn't what its statements give: the first, then the second, … of a whole run."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest

from streamer.d1.api import Reply
from streamer.errors import ExitCode
from streamer.model import IfExists
from tests.simulation import shapes
from tests.simulation.history import History
from tests.simulation.process import Mode, Process
from tests.simulation.settings import HistorySettings

KINDS = (shapes.SHAPES[3], shapes.SHAPES[5], shapes.SHAPES[6])  # keyless, two passes, staged
WAYS: dict[str, Callable[[list[Any]], list[Any]]] = {
    "no rows": lambda _rows: [],
    "NULLs": lambda rows: [[None] * len(row) for row in rows],
    "texts": lambda rows: [["text"] * len(row) for row in rows],
    "a column more": lambda rows: [[*row, 0] for row in rows],
    "rows twice": lambda rows: [*rows, *rows],
}


class Changing:
    """Changes the rows of one answer, that with this number."""

    def __init__(self, number: int, way: Callable[[list[Any]], list[Any]]) -> None:
        self.answers = 0
        self._number = number
        self._way = way

    def __call__(self, reply: Reply) -> Reply:
        self.answers += 1
        if self.answers != self._number:
            return reply
        document = orjson.loads(reply.body)
        for result in document["result"]:
            held = result["results"]
            held["rows"] = self._way(held["rows"])
            width = len(held["rows"][0]) if held["rows"] else len(held["columns"])
            held["columns"] = [f"c{n}" for n in range(width)]
        return Reply(200, orjson.dumps(document))


def history(folder: Path, if_exists: IfExists) -> History:
    settings = HistorySettings.of(1).undisturbed(1, if_exists)
    return History(settings, folder, shapes.make_of(KINDS, random.Random(1), 6))


@pytest.mark.parametrize("way", WAYS)
def test_fault_10_an_answer_without_what_its_statements_give_is_no_crash_and_no_success(
    way: str, tmp_path: Path
) -> None:
    number = answers = 0
    while number <= answers:
        number += 1
        story = history(tmp_path / f"{number}", IfExists.FAIL)
        story.world.d1.changed = changing = Changing(number, WAYS[way])
        ended = Process(story.world, Mode.FIRST).play()
        answers = changing.answers
        assert ended.code is not None, number
        if ended.code is ExitCode.DONE:
            story.oracle.at_the_end()
            continue
        story.oracle.after_crash()
        story.world.server.exported.clear()
        story.play_on()

    assert number > 10
