"""The safeguards of how a run ends and goes on: stops, bad rows, full disks, what changed in between."""

from __future__ import annotations

from tests.mutants.breaks import Break

_IDENTITY = ("tests/unit/run/test_identity.py",)
_STORE = ("tests/unit/checkpoints/test_store.py",)
_POISON = (
    "tests/faults/test_poison_rows.py::test_fault_12_bad_rows_stop_a_run_by_key_and_reason_or_are_set_aside_with_their_children",
)
_SENT = ("tests/faults/test_sent_and_deleted.py",)
_FULL = "tests/faults/test_full_disk.py"
_REPAIR = ("tests/integration/validate/test_repair.py",)

STOPS = (
    # 3: a second signal
    Break(
        "a second signal waits as the first one does",
        "streamer/cli/showing.py",
        "            if task is not None:\n                task.cancel()\n            return\n",
        "            return\n",
        (
            "tests/faults/test_stopped.py::test_fault_03_a_second_signal_ends_a_run_at_once_whose_request_is_never_answered",
        ),
        histories=0,
        faults=(3,),
    ),
    Break(
        "a run that was broken off says that it failed",
        "streamer/cli/outcome.py",
        "        return Outcome(interrupted, (",
        "        return Outcome(ExitCode.FAILED, (",
        ("tests/unit/cli/test_outcome.py",),
        histories=0,
        faults=(3,),
    ),
    # 18: a full disk
    Break(
        "a full disk is told as damage",
        "checkpoints/file.py",
        "    sqlite3.SQLITE_FULL,\n",
        "",
        _STORE,
        histories=0,
        faults=(18,),
    ),
    Break(
        "a read-only disk is told as damage",
        "checkpoints/file.py",
        "    sqlite3.SQLITE_READONLY,\n",
        "",
        _STORE,
        histories=0,
        faults=(18,),
    ),
    Break(
        "others go on sending once the checkpoint can't be written",
        "streamer/pipeline/mover.py",
        "            if not self._failures:\n                self._send_no_more()\n",
        "",
        ("tests/unit/pipeline/test_mover_ends.py",),
        histories=0,
        faults=(13, 18),
    ),
    Break(
        "new requests begin once the checkpoint can't be written",
        "streamer/pipeline/mover.py",
        "        self._closing = True\n",
        "        self._closing = not self._failures\n",
        (
            "tests/unit/pipeline/test_mover_ends.py::test_fault_18_a_checkpoint_that_cannot_be_written_stops_the_run",
        ),
        histories=0,
        faults=(18,),
    ),
    Break(
        "what couldn't be saved is forgotten",
        "streamer/pipeline/recorder.py",
        "            self._moved = {load.step: load for load in loads} | self._moved\n",
        "",
        ("tests/unit/pipeline/test_mover_ends.py",),
        histories=0,
        faults=(18,),
    ),
    Break(
        "a checkpoint that can't be made is waited for",
        "streamer/run/journal.py",
        "    return CheckpointFullError if os.path.lexists(path) else CheckpointProblemError\n",
        "    return CheckpointFullError if path else CheckpointProblemError\n",
        (f"{_FULL}::test_fault_18_a_checkpoint_that_cannot_be_made_starts_no_run",),
        histories=0,
        faults=(18,),
    ),
    Break(
        "a resume that finds the disk read-only has failed",
        "streamer/run/journal.py",
        "    return CheckpointFullError if os.path.lexists(path) else CheckpointProblemError\n",
        "    return CheckpointProblemError if path else CheckpointFullError\n",
        (f"{_FULL}::test_fault_18_a_run_that_is_resumed_on_a_read_only_disk_stays_resumable",),
        histories=0,
        faults=(18,),
    ),
)

BAD_ROWS = (
    Break(
        "a row that fits by now is taken for as bad as another",
        "streamer/sinks/diagnosing.py",
        "            if len(suspect.rows) < 2:",
        "            if suspect.rows:",
        ("tests/contract/test_bad_rows.py",),
        histories=0,
        faults=(12, 36),
    ),
    Break(
        "nobody looks which row of a batch is bad",
        "streamer/sinks/diagnosing.py",
        "        found = await self._bad_rows(batch)\n",
        "        found = (await self._bad_rows(batch))[:0]\n",
        _POISON,
        histories=0,
        faults=(12,),
    ),
    Break(
        "the neighbours of a bad row go with it",
        "streamer/sinks/bad_rows.py",
        "lambda row: stored_key(layout, row) in keys)",
        "lambda row: bool(stored_key(layout, row)))",
        _POISON,
        histories=0,
        faults=(12,),
    ),
    Break(
        "bad rows are left out without being written down",
        "streamer/sinks/rejecting.py",
        "zip(found.bad, await self._record(found.bad), strict=True)",
        "zip(found.bad, await self._record(found.bad[:0]), strict=False)",
        _POISON,
        histories=0,
        faults=(12,),
    ),
    Break(
        "a bad row that can only be tried for real is looked for in the first half",
        "streamer/sinks/diagnosing.py",
        "        return first + await self._bisected(suspect.some(suspect.rows[middle:]))\n",
        "        return first\n",
        ("tests/contract/test_bad_rows.py",),
        histories=0,
        faults=(12,),
    ),
    Break(
        "rows that may be mended once others are out are taken for bad",
        "streamer/sinks/diagnosing.py",
        "    return sure or known or found\n",
        "    return found\n",
        ("tests/contract/test_bad_rows.py",),
        histories=0,
        faults=(12,),
    ),
)

CHANGED = (
    # 21: the schema changed between a stop and its resume
    Break(
        "a changed definition goes on as it was",
        "streamer/run/identity.py",
        '    if now["fingerprint"] != then.get("fingerprint"):\n',
        '    if not now["fingerprint"]:\n',
        _IDENTITY,
        histories=0,
        faults=(21, 22),
    ),
    Break(
        "a table made anew goes on behind its old position",
        "streamer/run/identity.py",
        '    if now["oid"] != then.get("oid"):\n',
        '    if not now["oid"]:\n',
        _IDENTITY,
        histories=0,
        faults=(21,),
    ),
    Break(
        "another order of the key goes on behind its old position",
        "streamer/run/identity.py",
        '    if now["collations"] != then.get("collations") and not done:\n',
        '    if now["collations"] is None and not done:\n',
        _IDENTITY,
        histories=0,
        faults=(21,),
    ),
    Break(
        "a rewritten table without a key goes on behind its old position",
        "streamer/run/identity.py",
        "        if plan.key.kind is KeyKind.PHYSICAL and not done:\n",
        "        if plan.key.kind is None and not done:\n",
        _IDENTITY,
        histories=0,
        faults=(21,),
    ),
    Break(
        "rows go on in another way than they came so far",
        "streamer/run/identity.py",
        "    if known is not None and known != now:\n",
        "    if known is not None and not now:\n",
        ("tests/faults/test_changed_between.py",),
        histories=0,
        faults=(21,),
    ),
    Break(
        "of tables that changed only the first is named",
        "streamer/run/resume.py",
        "            changed.append(error.what)\n            problem = SourceChangedError\n            continue\n",
        "            raise\n",
        ("tests/unit/run/test_resume.py",),
        histories=0,
        faults=(21,),
    ),
    Break(
        "a table made anew keeps what followed from its old rows",
        "streamer/run/resume.py",
        "            if member.loading is Loading.TWO_PASS:\n",
        "            if not member.loading:\n",
        ("tests/unit/run/test_resume.py", "tests/faults/test_changed_between.py"),
        histories=0,
        faults=(21, 35),
    ),
    # 23: rows changed between a kill and the resume
    Break(
        "rows that were sent and are gone by the resume aren't told",
        "streamer/run/ending.py",
        "        if counted < least or (counted > most and not self._journal.held_rows(name)):\n",
        "        if counted < least:\n",
        _SENT,
        histories=0,
        faults=(23,),
    ),
    Break(
        "rows that aren't there at the end aren't told",
        "streamer/run/ending.py",
        "        if counted < least or (counted > most and not self._journal.held_rows(name)):\n",
        "        if counted > most and not self._journal.held_rows(name):\n",
        ("tests/unit/run/test_ending.py",),
        histories=0,
        faults=(23, 33),
    ),
    Break(
        "beside others' rows nothing is said of rows that were sent and are gone",
        "streamer/run/job.py",
        "        for name in names if resumed else ():\n",
        "        for name in names[:0] if resumed else ():\n",
        _SENT,
        histories=0,
        faults=(23,),
    ),
    Break(
        "a repair leaves rows that the source hasn't got",
        "streamer/validate/repair.py",
        "        while left:\n            before = self.deleted\n",
        "        while left and self.sent < 0:\n            before = self.deleted\n",
        _REPAIR,
        histories=0,
        faults=(23,),
    ),
    Break(
        "a repair sends what is missing, but not what differs",
        "streamer/validate/repair.py",
        "[Kind.MISSING, Kind.DIFFERENT]",
        "[Kind.MISSING]",
        _REPAIR,
        histories=0,
        faults=(23,),
    ),
    Break(
        "a repair takes rows that came to the source meanwhile",
        "streamer/validate/repair.py",
        "                gone = await self._sides.not_in_source(plan, some)\n",
        "                gone = some\n",
        ("tests/integration/validate/test_changed_meanwhile.py",),
        histories=0,
        faults=(23,),
    ),
    # 35: what is left to do besides rows
    Break(
        "indexes and checks are written down before they are made",
        "streamer/run/ending.py",
        "        try:\n            counted = await check_behind(",
        "        await self._journal.mark_all([steps.index_step(*task.of) for task in tasks], State.DONE)\n"
        "        try:\n            counted = await check_behind(",
        ("tests/unit/run/test_ending.py",),
        histories=0,
        faults=(35,),
    ),
    Break(
        "what follows on rows is written down before it is done",
        "streamer/run/ending.py",
        "        if tasks:\n            self._heed_stop()\n        async with aclosing(",
        "        if tasks:\n            self._heed_stop()\n"
        "            await self._journal.mark_all([step_of(task.of) for task in tasks], State.DONE)\n"
        "        async with aclosing(",
        ("tests/unit/run/test_ending.py",),
        histories=0,
        faults=(35,),
    ),
    Break(
        "a check is done with the rows that it is about",
        "streamer/run/ending.py",
        "self._is_open(steps.check_step(t))]\n",
        "self._is_open(steps.rows_step(t))]\n",
        ("tests/unit/run/test_ending.py",),
        histories=0,
        faults=(35,),
    ),
    Break(
        "a cycle is written down as published before it is",
        "streamer/run/job.py",
        "            await self._publish_whole(cycle)\n            await self._journal.mark(name, State.DOING)\n",
        "            await self._journal.mark(name, State.DOING)\n            await self._publish_whole(cycle)\n",
        faults=(35, 1),
    ),
)
