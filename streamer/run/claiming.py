"""Makes a run's tables its own, before anything is written to them."""

from __future__ import annotations

from collections.abc import Sequence

from streamer.errors import FencedError
from streamer.model import Statement, TablePlan
from streamer.pack import LEDGER_TABLE, OWNER_TABLE, LedgerStep
from streamer.run import steps
from streamer.run.admission import shortened, unlike
from streamer.run.facts import ledger_facts
from streamer.run.journal import Journal
from streamer.run.proof import check_untouched
from streamer.run.recorded import items
from streamer.run.survey import Database, Survey, survey
from streamer.sinks import Ownership


class Claiming:
    """Makes this run, at its present epoch, the only one that may write to `tables`.

    `seen` is what the target held when this start looked at it.
    """

    def __init__(
        self,
        database: Database,
        ownership: Ownership,
        journal: Journal,
        seen: Survey,
        tables: Sequence[TablePlan],
    ) -> None:
        self._database = database
        self._ownership = ownership
        self._journal = journal
        self._seen = seen
        self._tables = tables

    async def claim(self, making: Sequence[Statement]) -> bool:
        """Take the tables over, and write that down; whether `making` was executed with that.

        It makes all tables, and is worth a request less where neither they nor marks of any run are
        there.

        Raises:
            FencedError: others have them, or have written to them.

        """
        unclaimed = [t for t in self._tables if t.target not in self._journal.claimed]
        check_untouched(self._journal, unclaimed, self._seen)
        are_made = self._is_nobody_there() and await self._take_new(making, unclaimed)
        if not are_made and await self._take_over():
            check_untouched(self._journal, unclaimed, await survey(self._database))
        names = {table.target for table in self._tables}
        await self._journal.note(
            claimed=sorted(self._journal.claimed | names),
            claimed_since=self._journal.running.epoch,
        )
        return are_made

    def _is_nobody_there(self) -> bool:
        """Whether this is a run's first start, and the target held nothing of what it makes."""
        names = [OWNER_TABLE, LEDGER_TABLE, *(table.target for table in self._tables)]
        is_first = self._journal.running.epoch == 1 and not self._journal.claimed
        return is_first and not any(self._seen.find(name) for name in names)

    async def _take_new(self, making: Sequence[Statement], unclaimed: Sequence[TablePlan]) -> bool:
        """Claim the tables and make them; where that can't be in one request, see who came meanwhile."""
        are_made = await self._ownership.take_new(
            [table.target for table in self._tables],
            facts=ledger_facts(self._journal, self._tables),
            making=making,
        )
        if not are_made:
            seen = await survey(self._database)
            check_untouched(self._journal, unclaimed, seen)
            self._check_alike(seen)
        return are_made

    def _check_alike(self, seen: Survey) -> None:
        """Refuse tables that came meanwhile and are others than those that would be made."""
        there = {table: seen.find(table.target) for table in self._tables}
        lines = [
            f"{table.target}: {wrong}"
            for table, found in there.items()
            if found is not None and (wrong := unlike(table, found))
        ]
        if lines:
            raise FencedError(
                "somebody, or a late request of an earlier run, has made tables since this run began:\n"
                + shortened(lines),
                hint="Look whose they are; --restart makes those of this checkpoint's runs anew.",
            )

    async def _take_over(self) -> bool:
        """Claim the tables from whoever has them; whether they have to be looked at once more."""
        facts = self._journal.running.document
        resumed = self._journal.running.epoch > 1
        return await self._ownership.take(
            [table.target for table in self._tables],
            resumed=sorted(self._journal.claimed),
            since=self._journal.claimed_since,
            reached=self._hidden_reached() if resumed else {},
            afresh=self._afresh() if resumed else (),
            from_others=bool(facts.get("takes_over")),
            facts=ledger_facts(self._journal, self._tables),
            abandoned=[*map(str, items(facts.get("abandoned")))],
        )

    def _afresh(self) -> list[LedgerStep]:
        """Steps that begin at their start: what the ledger claims of them are rows that may be others now."""
        return [
            LedgerStep(table.target, kind)
            for table in self._tables
            for name, kind in steps.of_rows(table)
            if self._journal.position(name).last is None and not self._journal.is_done(name)
        ]

    def _hidden_reached(self) -> dict[LedgerStep, int]:
        """How far steps are whose keys the ledger doesn't know: the number of their next chunk."""
        return {
            LedgerStep(table.target, kind, keys_hidden=True): self._journal.position(
                name
            ).next_number
            for table in self._tables
            if table.hides_key
            for name, kind in steps.of_rows(table)
        }
