"""The safeguards of what a run leaves in its target: its fence, and what a lost checkpoint is made of."""

from __future__ import annotations

from tests.mutants.breaks import Break

_LEDGER = ("tests/unit/pack/test_ledger.py",)
_OWNERSHIP = ("tests/contract/test_ownership.py",)
_REBUILD = ("tests/unit/run/test_rebuild.py",)
_LOST = ("tests/unit/run/test_lost.py",)
_PROOF = ("tests/unit/run/test_proof.py",)

FENCES = (
    Break(
        "who claims tables doesn't look who came between",
        "streamer/pack/ledger.py",
        """CASE WHEN o.run IS c.value->>1 AND o.epoch IS CAST(c.value->>2 AS INTEGER) "
    "OR (o.run = ?2 AND o.epoch = ?3 AND o.holder = ?4) THEN ?3 END""",
        """CASE WHEN c.value IS NOT NULL "
    "OR (o.run = ?2 AND o.epoch = ?3 AND o.holder = ?4) THEN ?3 END""",
        _LEDGER,
        histories=0,
    ),
    Break(
        "two processes of one start may both hold tables",
        "streamer/pack/ledger.py",
        "OR (o.run = ?2 AND o.epoch = ?3 AND o.holder = ?4) THEN",
        "OR (o.run = ?2 AND o.epoch = ?3) THEN",
        _LEDGER,
        histories=0,
    ),
    Break(
        "an older start prepares tables that a newer one owns",
        "streamer/pack/ledger.py",
        """'WHERE o."table" = t.value AND o.run = ?2 AND o.epoch = ?3))'""",
        """'WHERE o."table" = t.value AND o.run = ?2))'""",
        (*_LEDGER, *_OWNERSHIP),
        histories=0,
    ),
    Break(
        "tables are prepared after their first rows",
        "streamer/pack/ledger.py",
        "WHERE EXISTS (SELECT 1 FROM _streamer_ledger WHERE run = ?2 AND epoch = ?3) ",
        "WHERE EXISTS (SELECT 1 FROM _streamer_ledger WHERE run = ?2 AND epoch = -1) ",
        (*_LEDGER, *_OWNERSHIP),
        histories=0,
    ),
    Break(
        "a late end of an older start takes a newer one's ledger",
        "streamer/pack/ledger.py",
        "(SELECT 1 FROM _streamer_owner WHERE run = ?1 AND epoch > ?2)",
        "(SELECT 1 FROM _streamer_owner WHERE run = ?1 AND epoch > ?2 + 1000)",
        _OWNERSHIP,
        histories=0,
    ),
    Break(
        "a late end of an older start takes a newer one's claim",
        "streamer/pack/ledger.py",
        "DELETE FROM _streamer_owner WHERE run = ?2 AND epoch <= ?3 ",
        "DELETE FROM _streamer_owner WHERE run = ?2 AND ?3 IS NOT NULL ",
        _OWNERSHIP,
        histories=0,
    ),
    Break(
        "the marks go while another run needs them",
        "streamer/pack/ledger.py",
        "        Statement(_REFUSE_IF_USED),\n",
        "",
        (*_LEDGER, *_OWNERSHIP),
        histories=0,
    ),
    Break(
        "a resume takes its tables from a newer start",
        "streamer/sinks/ownership.py",
        "        if owner.run != self._run or owner.epoch >= self._epoch:\n",
        "        if owner.run != self._run:\n",
        _OWNERSHIP,
        histories=0,
    ),
    Break(
        "the mark of an older start is enough for a resume",
        "streamer/sinks/ownership.py",
        "        older = owner is not None and owner.run == self._run and owner.epoch < since\n",
        "        older = owner is not None and owner.run == self._run and owner.epoch < 0\n",
        _PROOF,
        histories=0,
    ),
    Break(
        "a target restored behind the checkpoint goes unnoticed",
        "streamer/run/proof.py",
        '                raise _behind(step, "its ledger ends before the checkpoint\'s position")\n',
        "                continue\n",
        _PROOF,
        histories=0,
    ),
    Break(
        "rows deleted behind the checkpoint go unnoticed",
        "streamer/run/proof.py",
        '                raise _behind(step, "a row that D1 had acknowledged isn\'t there")\n',
        "                continue\n",
        _PROOF,
        histories=0,
    ),
    Break(
        "a cycle is published by a run that lost its claim",
        "streamer/run/publish.py",
        "    await database.execute([deferred, *way.statements, *copies, *guards])\n",
        "    await database.execute([deferred, *way.statements, *copies])\n",
        _PROOF,
        histories=0,
    ),
)

LOST_CHECKPOINTS = (
    Break(
        "a run leaves no facts of itself in the target",
        "streamer/sinks/ownership.py",
        "            claim += record_facts(facts or {}, self._run)\n",
        "            claim += record_facts(facts or {}, self._run)[:0]\n",
    ),
    Break(
        "what stood in a table's place before the run isn't among its facts",
        "streamer/run/facts.py",
        '"loading", "found", "emptied",',
        '"loading", "emptied",',
        ("tests/faults/test_rebuilt_checkpoint.py",),
    ),
    Break(
        "that tables were emptied isn't written down in the target",
        "streamer/run/job.py",
        "        if there:\n            await preparing.execute(",
        "        if not to_empty:\n            await preparing.execute(",
        ("tests/faults/test_rebuilt_checkpoint.py",),
    ),
    Break(
        "facts of another run are taken for this one's",
        "streamer/run/lost.py",
        "    return known == (source.system_identifier, source.database)\n",
        "    return bool(known)\n",
        _LOST,
        histories=0,
    ),
    Break(
        "a run that another took tables from is made anew",
        "streamer/run/lost.py",
        "    if taken or unknown:\n",
        "    if unknown and not taken:\n",
        _LOST,
        histories=0,
    ),
    Break(
        "the lost checkpoint passes for a later start, should it turn up",
        "streamer/run/lost.py",
        "        return (self.newest // STARTS + 1) * STARTS\n",
        "        return self.newest\n",
        _LOST,
        histories=0,
    ),
    Break(
        "a checkpoint is made anew for another plan",
        "streamer/run/rebuild.py",
        "    if changed:\n",
        "    if not tables and changed:\n",
        ("tests/faults/test_rebuilt_checkpoint.py",),
        histories=0,
    ),
    Break(
        "what is claimed counts though fewer rows are there",
        "streamer/run/rebuild.py",
        "    if rows is not None and rows < claimed:\n",
        "    if rows is not None and rows < 0:\n",
        _REBUILD,
        histories=0,
    ),
    Break(
        "rejected rows are forgotten with their files",
        "streamer/run/rebuild.py",
        "    if (missing := found.rejected - len(lines)) > 0:\n",
        "    if (missing := found.rejected - len(lines)) > 1_000_000:\n",
        _REBUILD,
        histories=0,
    ),
    Break(
        "what refers to rows without a key stays once a checkpoint is made anew",
        "streamer/run/rebuild.py",
        "    return frozenset(found)\n",
        "    return frozenset(found and ())\n",
        _REBUILD,
        histories=0,
    ),
    Break(
        "rows without a key stand twice once a checkpoint is made anew",
        "streamer/run/keyless.py",
        "        if self._journal.running.epoch == 1 or at.done:\n",
        "        if self._journal.running.epoch > 0 or at.done:\n",
        ("tests/faults/test_rebuilt_checkpoint.py",),
        histories=0,
    ),
    Break(
        "the ledger's intervals are joined by numbers, not keys",
        "streamer/pack/reach.py",
        "            if (before := at.get(entry.after)) is None:\n",
        "            if (before := at.get(entry.after) or max(at.values())) is None:\n",
        ("tests/unit/pack/test_ledger.py",),
        histories=0,
    ),
    Break(
        "the ledger still claims rows of a table that starts over",
        "streamer/run/job.py",
        "            afresh=self._afresh() if resumed else (),\n",
        "",
        ("tests/faults/test_rebuilt_checkpoint.py",),
        histories=0,
    ),
    Break(
        "the ledger still claims references that let go of rows without a key",
        "streamer/run/keyless.py",
        "        await self._forget(LedgerStep(t.target, StepKind.EDGES) for t in edged)\n",
        "",
        ("tests/faults/test_rebuilt_checkpoint.py",),
        histories=0,
    ),
    Break(
        "rows of a cycle that starts over are forgotten with what the ledger claims of them",
        "streamer/run/rebuild.py",
        " or _starts_over(t, lost, seen)]\n",
        "]\n",
        ("tests/faults/test_rebuilt_checkpoint.py",),
        histories=0,
    ),
)
