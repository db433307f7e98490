"""A rollback from its beginning to its end: look, decide, ask, fence, undo, report."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path

from streamer.config import Config
from streamer.d1 import D1Database
from streamer.errors import (
    ExitCode,
    InterruptedRunError,
    SettingsError,
    StreamerError,
    UsageError,
)
from streamer.frozen import frozen
from streamer.model.words import counted
from streamer.progress import Events, write_report
from streamer.rollback.decide import Action, Decision, decide
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
"""Shows the lines to the user; whether to go on."""


async def roll_back(
    config: Config, choices: Choices, events: Events, stop: asyncio.Event, agree: Agree
) -> ExitCode:
    """Take the run of the checkpoint back, once `agree` said yes to what that means.

    Called again after it was stopped at any moment, it goes on.

    Raises:
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

    async def carry_out(self, agree: Agree) -> ExitCode:
        intent = intent_of(self._journal)
        seen = await look(self._database, [table.target for table in intent.tables], intent.run_id)
        decision = decide(intent, seen, force=self._choices.force)
        self._refuse(intent, decision)
        lines = _told(intent, decision, self._choices.method)
        if self._choices.dry_run:
            self._events.phase("nothing was touched: --dry-run")
            await agree(lines)
            return ExitCode.DONE
        if not await agree(lines):
            self._events.phase("nothing was touched")
            return ExitCode.DONE
        try:
            await self._take_back(intent, seen, decision)
        except BaseException as error:
            known = isinstance(error, StreamerError)
            code = error.exit_code if known else ExitCode.RESUMABLE
            problem = error.what if known else type(error).__name__
            self._report(intent, decision, code, [problem])
            raise
        self._report(intent, decision, ExitCode.DONE, [])
        return ExitCode.DONE

    def _refuse(self, intent: Intent, decision: Decision) -> None:
        """Refuse what can't be done in the way that was chosen, and offer the other.

        Raises:
            UsageError: with every reason.
        """
        if self._choices.method is Method.TIME_TRAVEL:
            if not intent.bookmark:
                raise UsageError(
                    "no Time Travel bookmark was recorded: this target has no Time Travel",
                    hint="Use --method delete, or restore a copy of the database",
                )
            return
        if not decision.objections:
            return
        other = (
            f"{TIME_TRAVEL} (to {intent.started_at}; what others wrote since goes too)"
            if intent.bookmark
            else "Restore a copy of the database"
        )
        more = any(" the run wrote " in text for text in decision.objections)
        force = ", or let rows that the run didn't write go with --force" if more else ""
        raise UsageError(
            shortened(["what the run wrote can't be taken back alone:", *decision.objections]),
            hint=f"{other}{force}.",
        )

    async def _take_back(self, intent: Intent, seen: Seen, decision: Decision) -> None:
        epoch = self._journal.running.epoch + 1
        await self._journal.note(RunState.UNDOING, epoch=epoch)
        if self._choices.method is Method.TIME_TRAVEL:
            self._events.phase("setting the database back")
            await self._database.restore(intent.bookmark)
        else:
            await self._delete(intent, seen, decision, epoch)
        await self._journal.note(RunState.UNDONE)

    async def _delete(self, intent: Intent, seen: Seen, decision: Decision, epoch: int) -> None:
        ownership = Ownership(
            self._database, run=intent.run_id, epoch=epoch, holder=uuid.uuid4().hex
        )
        every = [table.target for table in intent.tables]
        # From here on no request of the run, nor of an earlier rollback, has any effect.
        await ownership.take(every)
        await Undo(self._database, ownership, seen, self._heed_stop).carry_out(
            decision, self._events.phase
        )
        await ownership.leave(every)

    def _heed_stop(self) -> None:
        if self._stop.is_set():
            raise InterruptedRunError(
                "stopped by a signal; a part of the run is taken back.",
                hint="Go on with `streamer rollback`.",
            )

    def _report(
        self, intent: Intent, decision: Decision, code: ExitCode, errors: list[str]
    ) -> None:
        """Write the report; one that can't be written is a warning."""
        self._events.recorded()
        travelled = self._choices.method is Method.TIME_TRAVEL
        document = RollbackReport(
            run_id=intent.run_id,
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
