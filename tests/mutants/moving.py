"""The safeguards of what moves: positions, order, pace, and what is in flight."""

from __future__ import annotations

from tests.mutants.breaks import Break

MOVING = (
    Break(
        "the position moves to the highest acknowledged chunk, not over the contiguous ones",
        "checkpoints/watermark.py",
        """        while self._next_number in self._waiting:
            contiguous.append(self._waiting.pop(self._next_number))
            self._next_number += 1
""",
        """        while self._waiting:
            self._next_number = min(self._waiting)
            contiguous.append(self._waiting.pop(self._next_number))
            self._next_number += 1
""",
        ("tests/unit/checkpoints/test_watermark.py",),
        faults=(1,),
    ),
    Break(
        "rows are inserted instead of upserted",
        "streamer/pack/layout.py",
        '        return f"ON CONFLICT({key}) DO UPDATE SET {assignments} WHERE {guard}"',
        '        return ""',
        faults=(1, 5),
    ),
    Break(
        "a row that is there already is left as it is",
        "streamer/pack/layout.py",
        '        return f"ON CONFLICT({key}) DO UPDATE SET {assignments} WHERE {guard}"',
        '        return f"ON CONFLICT({key}) DO NOTHING"',
        ("tests/unit/pack/test_layout.py",),
        histories=0,
        faults=(23,),
    ),
    Break(
        "an output's name is ordered by, and so its text",
        "streamer/postgres/reader_sql.py",
        """ORDER BY {', '.join(_key_columns(plan))}\"""",
        """ORDER BY {', '.join(f'c{n}' for n in range(len(plan.key.columns)))}\"""",
    ),
    Break(
        "a chunk is acknowledged before D1 has it",
        "streamer/pipeline/mover.py",
        """                answer = await self._sink.write(batch)
""",
        """                self._acknowledge(batch, Answer(()))
                await self._sink.write(batch)
                continue
""",
        faults=(1,),
    ),
    Break(
        "requests aren't counted within the process",
        "streamer/d1/pacer.py",
        "        if self._window is not None:\n            at = max(",
        "        if self._window is None:\n            at = max(",
        ("tests/unit/d1/test_rate_limit.py",),
        histories=0,
        faults=(7,),
    ),
    Break(
        "a start forgets what was sent before it",
        "streamer/d1/opening.py",
        "    if pacing.rate is not None and shared:",
        "    if pacing.rate is not None and not shared:",
        faults=(7,),
    ),
    Break(
        "what was leased by a process that died counts as not sent",
        "streamer/d1/window_file.py",
        '            " UNION ALL SELECT monotonic, wall, sends FROM lease WHERE token = ?1",',
        '            " UNION ALL SELECT monotonic, wall, 0 FROM lease WHERE token = ?1",',
        ("tests/unit/d1/test_leases.py",),
        faults=(7,),
    ),
    Break(
        "requests leave a little before there is room for them",
        "streamer/pace/window.py",
        "return max(now, self._stamps[surplus] + self.seconds)",
        "return max(now, self._stamps[surplus] + self.seconds * 0.99)",
        ("tests/unit/pace/test_window.py",),
        histories=0,
        faults=(7,),
    ),
    Break(
        "batches of an older start are let in",
        "streamer/pack/ledger.py",
        """    '(SELECT epoch FROM _streamer_owner WHERE "table" = value->>0 AND run = ?2 AND epoch = ?3) '
    'FROM json_each(?1) WHERE true ON CONFLICT""",
        """    '(SELECT ?3) '
    'FROM json_each(?1) WHERE true ON CONFLICT""",
        ("tests/unit/pack/test_ledger.py",),
        faults=(6, 34),
    ),
    Break(
        "the ledger isn't written with the rows, but after them",
        "streamer/sinks/d1.py",
        "            return await self._database.execute([*statements, record], can_be_cut=can_be_cut)\n",
        """            answer = await self._database.execute(statements, can_be_cut=can_be_cut)
            await self._database.execute([record])
            return answer
""",
        ("tests/contract/test_sinks.py",),
        histories=0,
        faults=(1, 32),
    ),
    Break(
        "a row of the checkpoint that was altered is taken",
        "checkpoints/records.py",
        "        and _crc(row[:-1]) == row[-1]\n",
        "        and row[-1] is not None\n",
        ("tests/unit/checkpoints/test_damage.py",),
        histories=0,
        faults=(19,),
    ),
    Break(
        "a request of unknown outcome counts as done",
        "streamer/d1/caller.py",
        "            value = failures.of_break(outcome) if isinstance(outcome, Break) else read(outcome)\n",
        "            value = read(Reply(200, b'{\"success\":true,\"result\":[' + b','.join([b'"
        '{\\"success\\":true,\\"results\\":{\\"columns\\":[],\\"rows\\":[]}}'
        "'] * (b\"\".join(call.body.pieces).count(b'{\\\"sql\\\":'))) + b']}')) "
        "if isinstance(outcome, Break) and call.body else read(outcome)\n",
        faults=(5,),
    ),
    Break(
        "requests that are under way when it is asked to stop are abandoned",
        "streamer/pipeline/mover.py",
        "        _, late = await asyncio.wait(uploaders, timeout=DRAIN_S)\n",
        "        late = set(uploaders)\n",
        ("tests/unit/pipeline/test_mover_ends.py",),
        histories=0,
        faults=(2,),
    ),
    Break(
        "readers knock for ever at a server without a free connection",
        "streamer/postgres/sessions.py",
        "                if self._lent:\n                    stays_taken",
        "                if not self:\n                    stays_taken",
        ("tests/unit/postgres/test_sessions.py",),
        histories=0,
        faults=(17,),
    ),
    Break(
        "a failure cuts off what others have in flight",
        "streamer/pipeline/mover.py",
        """            self._failures.append(error)
            self._halted.set()
""",
        """            raise
""",
        ("tests/unit/pipeline/test_mover_ends.py",),
        histories=0,
        faults=(13, 18),
    ),
    Break(
        "asked to stop, it goes on with what is queued",
        "streamer/pipeline/mover.py",
        "is not None and not self._closing:",
        "is not None:",
        ("tests/unit/pipeline/test_mover_ends.py",),
        histories=0,
        faults=(2,),
    ),
    Break(
        "while the API is down everybody knocks",
        "streamer/pace/gate.py",
        "        return inf if self._probe else max(now, self._probe_at)",
        "        return now",
        ("tests/unit/pace/test_gate.py",),
        histories=0,
        faults=(8,),
    ),
    Break(
        "children don't wait for their parents",
        "streamer/pipeline/mover.py",
        "            await parent.done.wait()\n",
        "            del parent\n",
        ("tests/unit/pipeline/test_mover.py",),
        histories=0,
    ),
    Break(
        "the first pass blanks what the second one set",
        "streamer/pack/layout.py",
        """        if column.target in self.deferred:
            return False
        return column.nocase""",
        """        return column.nocase""",
        ("tests/unit/pack/test_layout.py",),
        faults=(1,),
    ),
    Break(
        "the next page begins at the end of the table",
        "streamer/postgres/reader.py",
        "                self._last = page.key_of(len(page.records) - 1)\n",
        "                self._last = self._last or page.key_of(len(page.records) - 1)\n",
    ),
    Break(
        "a page begins at the last key, not behind it",
        "streamer/postgres/reader_sql.py",
        "    return f\"({', '.join(columns)}) > (",
        "    return f\"({', '.join(columns)}) >= (",
        ("tests/unit/postgres/test_reader_sql.py",),
        histories=0,
    ),
    Break(
        "a copied page begins where the step began",
        "streamer/postgres/reader.py",
        "copied_query(self._what.plan, self._read_to, rows, self._what.upto)",
        "copied_query(self._what.plan, self._what.after, rows, self._what.upto)",
        ("tests/integration/postgres/test_read_pages.py",),
        histories=0,
    ),
    Break(
        "rows that wait are forgotten, and what is behind them is read next",
        "streamer/postgres/reader.py",
        "        self._waiting, self._read_to = [], self._last\n",
        "        self._waiting = []\n",
        ("tests/integration/postgres/test_read_ahead.py",),
        histories=0,
    ),
    Break(
        "a snapshot that was lost before the run began is begun with",
        "streamer/postgres/ahead.py",
        "        if self._holder is None or self._holder.lost:\n",
        "        if self._holder is None:\n",
        ("tests/integration/postgres/test_read_ahead.py",),
        histories=0,
    ),
    Break(
        "control characters of copied rows stay as they are",
        "streamer/postgres/copied.py",
        "    return lines.translate(_NO_CONTROL) == lines\n",
        "    return bool(lines)\n",
        ("tests/unit/model/test_printed.py",),
        histories=0,
        faults=(27,),
    ),
    Break(
        "a masked number of a copied row counts as a number",
        "streamer/postgres/copied.py",
        '    integer = base.name in _INTEGERS and column.read_sql == f"{value}::text"\n',
        "    integer = base.name in _INTEGERS\n",
        ("tests/unit/postgres/test_reader_sql.py",),
        histories=0,
    ),
    Break(
        "readers don't share the run's snapshot",
        "streamer/postgres/window.py",
        "await sessions.begin(session, holder.id() if holder is not None else None)",
        "await sessions.begin(session, None)",
    ),
    Break(
        "deferred columns are never set",
        "streamer/run/waves.py",
        "        if table.loading is not Loading.TWO_PASS:\n            continue\n        load = edges",
        "        if table.loading is not Loading.TWO_PASS or table.deferred:\n            continue\n        load = edges",
        faults=(35,),
    ),
    Break(
        "the marks of a run stay in the target",
        "streamer/sinks/ownership.py",
        "            answer = await self._database.execute([*along, *marks, *drop_unused()])\n",
        "            answer = await self._database.execute(along)\n",
    ),
    Break(
        "what goes with the end of a run isn't taken up again",
        "streamer/run/ending.py",
        "        if (last := self.last()) is not None:\n            self._events",
        "        if (last := None) is not None:\n            self._events",
        ("tests/unit/run/test_ending.py",),
        histories=0,
        faults=(35,),
    ),
    Break(
        "a unique index is built when nothing can be mended any more",
        "streamer/run/ending.py",
        " or any(task.of[1].unique for task in tasks)",
        "",
        ("tests/unit/run/test_ending.py",),
        histories=0,
    ),
    Break(
        "the run is finished before its tables are",
        "streamer/run/job.py",
        "            await self._move_rows()\n            await self._ending.carry_out()\n"
        "            await self._journal.note(RunState.FINISHING)\n",
        "            await self._journal.note(RunState.FINISHING)\n"
        "            await self._move_rows()\n            await self._ending.carry_out()\n",
        faults=(35,),
    ),
    Break(
        "two processes may use one checkpoint",
        "checkpoints/lock.py",
        "fcntl.LOCK_EX | fcntl.LOCK_NB",
        "fcntl.LOCK_SH | fcntl.LOCK_NB",
        ("tests/unit/checkpoints/test_lock.py", "tests/unit/checkpoints/test_processes.py"),
        histories=0,
        faults=(20,),
    ),
    Break(
        "a redirect is followed, with the token",
        "streamer/d1/http.py",
        "            allow_redirects=False,\n",
        "            allow_redirects=True,\n",
        ("tests/unit/d1/test_http.py",),
        histories=0,
        faults=(29,),
    ),
    Break(
        "rows of the target keep values that staged ones have now",
        "streamer/sinks/giving_way.py",
        "        self._parked.append(at)\n",
        "",
        ("tests/faults/test_staged_over_older.py",),
        histories=0,
        faults=(36,),
    ),
    Break(
        "a row that can't be published is taken away before it is written down",
        "streamer/sinks/taking_out.py",
        "            await self._set_aside(table, bad)\n",
        "",
        ("tests/faults/test_staged_over_older.py",),
        histories=0,
        faults=(12,),
    ),
    Break(
        "staged rows that refer to what is gone aren't read again",
        "streamer/sinks/staged.py",
        "                await self._renew(lacking, again | rejected)\n",
        "                await self._renew(lacking, set[Wanted]())\n",
        ("tests/faults/test_staged_rows.py",),
        faults=(24,),
    ),
    Break(
        "rows that wait in a staging table are taken for orphans",
        "streamer/sinks/references.py",
        "    if carried.layout.table != carried.plan.target:\n        return found\n",
        "",
        ("tests/unit/sinks/test_references.py",),
        histories=0,
        faults=(24,),
    ),
    Break(
        "a search after values that moved goes on for ever",
        "streamer/sinks/untying.py",
        "        return max(LEAST, self.left // SHARE)\n",
        "        return 1_000_000\n",
        ("tests/faults/test_moved_values.py",),
        histories=0,
        faults=(36,),
    ),
    Break(
        "rows that are read again don't take what they refer to by now along",
        "streamer/sinks/renewing.py",
        "            if staged or not lacks_parents(error):\n",
        "            if not staged or not lacks_parents(error):\n",
        ("tests/faults/test_moved_values.py",),
        histories=0,
        faults=(24, 36),
    ),
)
