"""The safeguards of tables without a key, whose rows are known by nothing but their places."""

from __future__ import annotations

from tests.mutants.breaks import Break

KEYLESS = (
    Break(
        "rows without a key are taken for unmoved after a resume",
        "streamer/run/keyless.py",
        "        if at.last is not None and not await self._is_unchanged(table, at.last):",
        "        if at.last is not None and not table:",
        faults=(23,),
    ),
    Break(
        "rows without a key that nobody wrote down stay where they are",
        "streamer/run/keyless.py",
        "        await empty_behind(self._ownership.preparing([table.target]), table, at.last)\n",
        "",
        ("tests/faults/test_keyless.py",),
        histories=0,
        faults=(1,),
    ),
    Break(
        "a table without a key that starts over keeps the rows that were there",
        "streamer/run/keyless.py",
        "        await empty(preparing, gone)\n",
        "",
        ("tests/faults/test_keyless_anew.py",),
        histories=0,
        faults=(21,),
    ),
    Break(
        "the second pass over a table without a key sees another moment than the first",
        "streamer/postgres/source.py",
        "            if kind is StepKind.EDGES or plan.loading is not Loading.TWO_PASS:\n",
        "            if kind in StepKind:\n",
    ),
    Break(
        "what refers to a table without a key isn't moved again with it",
        "streamer/run/keyless.py",
        "        if begun := self._begun_on(table):\n            await self._start_over(table, begun)\n",
        "        self._begun_on(table)\n",
        ("tests/faults/test_keyless_anew.py",),
        histories=0,
        faults=(21,),
    ),
    Break(
        "what refers to rows without a key doesn't wait until these are written down",
        "streamer/pipeline/mover.py",
        "            if parent.plan.key.kind is KeyKind.PHYSICAL and not parent.written_down.is_set():\n",
        "            if parent.plan.key is None and not parent.written_down.is_set():\n",
        ("tests/unit/pipeline/test_mover.py",),
        histories=0,
        faults=(1,),
    ),
    Break(
        "rows without a key that nobody wrote down are taken back from under what refers to them",
        "streamer/run/keyless.py",
        "        if not (referring or edged) or not await is_there_behind(looking, table, last):\n",
        "        if last or not await is_there_behind(looking, table, last):\n",
        ("tests/faults/test_keyless_behind.py",),
        histories=0,
        faults=(1,),
    ),
    Break(
        "a second pass that let go of rows without a key is taken for done",
        "streamer/run/keyless.py",
        "            step for t in edged for step in",
        "            step for t in edged[:0] for step in",
        ("tests/faults/test_keyless_behind.py",),
        histories=0,
        faults=(35,),
    ),
    Break(
        "staged rows without a key that refer to nothing are never rejected",
        "streamer/run/keyless.py",
        "        return times < READ_AGAIN and not self._is_one_moment\n",
        "        return times >= 0\n",
        ("tests/faults/test_staged_orphans.py",),
        histories=0,
        faults=(12,),
    ),
    Break(
        "staged rows without a key that refer to nothing are said to have changed",
        "streamer/run/keyless.py",
        "        if fixed.is_sure or self._is_one_moment:\n",
        "        if fixed.is_sure:\n",
        ("tests/faults/test_staged_orphans.py",),
        histories=0,
        faults=(12,),
    ),
)
