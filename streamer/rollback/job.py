"""A rollback from its beginning to its end: look, decide, ask, fence, look again, undo, report."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Generator
from contextlib import AsyncExitStack, contextmanager
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path

from streamer.config import Config
from streamer.d1 import D1Database
from streamer.errors import (
    ExitCode,
    FencedError,
    InterruptedRunError,
    SettingsError,
    StreamerError,
    UsageError,
)
from streamer.frozen import frozen
from streamer.model.words import counted
from streamer.progress import Events, write_report
from streamer.rollback.decide import Action, Decision, decide, takes_more
from streamer.rollback.fence import Fence
from streamer.rollback.intent import Intent, intent_of, target_facts_of
from streamer.rollback.look import Seen, look
from streamer.rollback.report import RollbackReport
from streamer.rollback.undo import Undo
from streamer.run.admission import shortened
from streamer.run.identity import check_target
from streamer.run.journal import Journal
from streamer.run.recorded import members
from streamer.run.states import RunState
from streamer.sinks import Ownership
from streamer.targets import open_target

TIME_TRAVEL = "Take the whole database back with --method time-travel"
MORE = "Meanwhile there came more, which is all there now:"


class Method(StrEnum):
    """DELETE takes away what the run wrote; TIME_TRAVEL sets the whole database back."""

    DELETE = "delete"
    TIME_TRAVEL = "time-travel"


@frozen
class Choices:
    """What the user chose; with `force`, rows that the run didn't write may go too."""

    method: Method = Method.DELETE
    force: bool = False
    dry_run: bool = False
    report: Path = Path("rollback_report.json")


Agree = Callable[[list[str]], Awaitable[bool]]
"""Shows the lines to the user; whether to go on. Asked again where it turns out to be more.

It is cancelled where a stop comes before the answer.
"""


@frozen
class _Found:
    """What the target held at one look, and what is to be done about that."""

    seen: Seen
    decision: Decision


async def roll_back(
    config: Config, choices: Choices, events: Events, stop: asyncio.Event, agree: Agree
) -> ExitCode:
    """Take the run of the checkpoint back, once `agree` said yes to what that means.

    Called again after it was stopped at any moment, it goes on. Until something is taken away, a stop
    leaves the run what it was; the question isn't waited for, and an answer that comes with it not obeyed.

    Raises:
        InterruptedRunError: `stop` was set; whether something was touched it says.
        UsageError: it can't or must not be done; nothing was touched.
        StreamerError: of any kind; what was done is done, the rest can be done by another call.
    """
    if config.target is None:
        raise SettingsError(["the target's settings are missing: set CLOUDFLARE_API_TOKEN"])
    if not config.run.checkpoint.exists():
        raise _no_run(config)
    async with AsyncExitStack() as stack:
        journal = await Journal.open(config.run.checkpoint)
        stack.push_async_callback(journal.close)
        if journal.run is None:
            raise _no_run(config)
        if journal.running.state == RunState.UNDONE:
            events.phase("nothing to do: the run in the checkpoint was taken back before")
            return ExitCode.DONE
        events.phase("looking at what the run wrote")
        database = await open_target(config.target, config.pacing, events)
        stack.push_async_callback(database.aclose)
        check_target(database.identity, target_facts_of(journal))
        return await _Rollback(journal, database, choices, events, stop).carry_out(agree)


class _Rollback:
    """One rollback, both ends open."""

    def __init__(
        self,
        journal: Journal,
        database: D1Database,
        choices: Choices,
        events: Events,
        stop: asyncio.Event,
    ) -> None:
        self._journal = journal
        self._database = database
        self._choices = choices
        self._events = events
        self._stop = stop
        self._started_at = datetime.now(UTC)
        self._intent = intent_of(journal)
        self._targets = [table.target for table in self._intent.tables]
        self._fence = Fence(journal, database, self._targets)

    async def carry_out(self, agree: Agree) -> ExitCode:
        found = await self._look()
        lines = _told(self._intent, found.decision, self._choices.method)
        if self._choices.dry_run:
            self._refuse(found.decision)
            self._events.phase("nothing was touched: --dry-run")
            await agree(lines)
            return ExitCode.DONE
        await self._admit(found)
        if not await self._is_agreed(found, agree, lines):
            return ExitCode.DONE
        if self._choices.method is Method.TIME_TRAVEL:
            with self._failures_reported(found.decision):
                await self._travel()
        else:
            agreed = found.decision
            with self._failures_reported(agreed):
                ownership = await self._fence_off()
                found = await self._look()
                await self._admit(found)
            lines = [MORE, *_told(self._intent, found.decision, self._choices.method)]
            if not takes_more(found.decision, agreed):
                await self._heed_untouched(found)
            elif not await self._is_agreed(found, agree, lines):
                return ExitCode.DONE
            with self._failures_reported(found.decision):
                await self._delete(ownership, found)
        self._report(found.decision, ExitCode.DONE, [])
        return ExitCode.DONE

    async def _look(self) -> _Found:
        """What the target holds now, and what that means."""
        seen = await look(self._database, self._targets, self._intent.run_id)
        return _Found(seen, decide(self._intent, seen, force=self._choices.force))

    async def _admit(self, found: _Found) -> None:
        """Refuse what must not be done; the run is what it was before, then.

        Raises:
            UsageError: with every reason.
        """
        try:
            self._refuse(found.decision)
        except UsageError:
            await self._fence.lift(found.seen)
            raise

    async def _is_agreed(self, found: _Found, agree: Agree, lines: list[str]) -> bool:
        """Whether to go on; where not, the run is what it was before.

        Raises:
            InterruptedRunError: a stop came, before the answer or with it.
        """
        await self._heed_untouched(found)
        is_agreed = await self._answered(agree(lines))
        await self._heed_untouched(found)
        if is_agreed:
            return True
        await self._fence.lift(found.seen)
        self._events.phase("nothing was touched")
        return False

    async def _answered(self, asking: Awaitable[bool]) -> bool:
        """The answer; False where a stop comes first."""
        answer = asyncio.ensure_future(asking)
        stopped = asyncio.create_task(self._stop.wait())
        try:
            await asyncio.wait({answer, stopped}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            answer.cancel()
            stopped.cancel()
            await asyncio.gather(answer, stopped, return_exceptions=True)
        return not answer.cancelled() and answer.result()

    async def _heed_untouched(self, found: _Found) -> None:
        """Return where the rollback goes on; where it is to end, the run is what it was before.

        Raises:
            InterruptedRunError: it is to end, and nothing was touched.
        """
        if self._stop.is_set():
            await self._fence.lift(found.seen)
            raise InterruptedRunError(
                "stopped by a signal; nothing was touched.",
                hint="To take the run back, call `streamer rollback` again.",
            )

    def _refuse(self, decision: Decision) -> None:
        """Refuse what can't be done in the way that was chosen, and offer the other.

        Raises:
            UsageError: with every reason.
        """
        if self._choices.method is Method.TIME_TRAVEL:
            if not self._intent.bookmark:
                raise UsageError(
                    "no Time Travel bookmark was recorded: this target has no Time Travel",
                    hint="Use --method delete, or restore a copy of the database",
                )
            return
        if not decision.objections:
            return
        other = (
            f"{TIME_TRAVEL} (to {self._intent.started_at}; what others wrote since goes too)"
            if self._intent.bookmark
            else "Restore a copy of the database"
        )
        more = any(" the run wrote " in text for text in decision.objections)
        force = ", or let rows that the run didn't write go with --force" if more else ""
        raise UsageError(
            shortened(["what the run wrote can't be taken back alone:", *decision.objections]),
            hint=f"{other}{force}.",
        )

    async def _travel(self) -> None:
        await self._fence.pass_through()
        self._events.phase("setting the database back")
        await self._database.restore(self._intent.bookmark)
        await self._journal.note(RunState.UNDONE)

    async def _fence_off(self) -> Ownership:
        """From here on no request of the run, nor of an earlier rollback, has any effect."""
        try:
            return await self._fence.put_up()
        except FencedError:
            # Another run came while the user was asked: that is among the objections now.
            await self._admit(await self._look())
            raise

    async def _delete(self, ownership: Ownership, found: _Found) -> None:
        await self._fence.pass_through()
        await Undo(self._database, ownership, found.seen, self._heed_stop).carry_out(
            found.decision, self._events.phase
        )
        await ownership.leave(self._targets)
        await self._journal.note(RunState.UNDONE)

    def _heed_stop(self) -> None:
        if self._stop.is_set():
            raise InterruptedRunError(
                "stopped by a signal; a part of the run is taken back.",
                hint="Go on with `streamer rollback`.",
            )

    @contextmanager
    def _failures_reported(self, decision: Decision) -> Generator[None]:
        """Write the report of what fails within, but for what is refused: then nothing was touched."""
        try:
            yield
        except UsageError:
            raise
        except BaseException as error:
            known = isinstance(error, StreamerError)
            code = error.exit_code if known else ExitCode.RESUMABLE
            self._report(decision, code, [error.what if known else type(error).__name__])
            raise

    def _report(self, decision: Decision, code: ExitCode, errors: list[str]) -> None:
        """Write the report; one that can't be written is a warning."""
        self._events.recorded()
        travelled = self._choices.method is Method.TIME_TRAVEL
        document = RollbackReport(
            run_id=self._intent.run_id,
            method=self._choices.method.value,
            code=code,
            started_at=self._started_at,
            source=members(self._journal.running.document.get("source")),
            target=target_facts_of(self._journal),
            tables=[] if travelled else decision.tables,
            views=[] if travelled else decision.views,
            traffic=self._events.tally.traffic,
            warnings=self._events.warnings,
            errors=errors,
        ).to_json()
        try:
            write_report(self._choices.report, document)
        except StreamerError as error:
            self._events.warning(str(error))


def _told(intent: Intent, decision: Decision, method: Method) -> list[str]:
    """What will be done, a line each."""
    if method is Method.TIME_TRAVEL:
        return [
            f"The whole database goes back to {intent.started_at}, before the run's first write.",
            "Everything that anybody wrote since is lost, other tables included.",
        ]
    lines = [f"drop the view {name}" for name in decision.views]
    for one in decision.tables:
        rows = "" if one.rows is None else f", {counted(one.rows, 'row')}"
        match one.action:
            case Action.DROPPED:
                lines.append(f"drop the table {one.table.target}{rows}")
            case Action.EMPTIED:
                lines.append(f"empty the table {one.table.target}{rows}")
            case Action.LEFT:
                lines.append(f"leave {one.table.target} as it is")
    return lines


def _no_run(config: Config) -> UsageError:
    return UsageError(
        f"{config.run.checkpoint}: no run is recorded here",
        hint="Name the run's file with --checkpoint",
    )
