"""The look at both ends before anything is written: what is there, and the plan of what to do.

A new run counts its rows while the target is opened and looked at, since a target mostly holds nothing
that changes the plan; then it reads the first of them ahead.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from streamer.config import Config
from streamer.d1 import D1Database
from streamer.frozen import frozen
from streamer.model import Answered, Finding, IfExists, Plan, Question, TablePlan
from streamer.pipeline.transform import load_transforms
from streamer.plan import estimated_rows
from streamer.plan.digest import in_short, sentence
from streamer.progress import Events
from streamer.run.admission import refuse_what_cannot_move
from streamer.run.job import Ends
from streamer.run.journal import Journal
from streamer.run.planning import Known, plan_job, plan_known, read_known, refused_then
from streamer.run.sources import JobSource
from streamer.run.survey import survey

if TYPE_CHECKING:
    from streamer.run.lost import Lost


@frozen
class Looking:
    """A source that was looked at: what is `known` of it.

    `draft` is the plan as it is for a target without tables, and `answers` are those to its questions,
    on their way; None where nothing is counted ahead.
    """

    source: JobSource
    known: Known
    draft: Plan | None = None
    answers: asyncio.Task[list[Answered]] | None = None

    async def answer(
        self, questions: Sequence[Question], tables: Sequence[TablePlan]
    ) -> list[Answered]:
        """How many rows each question is about; those that were asked ahead aren't asked again."""
        draft = self.draft
        if self.answers is not None and draft is not None:
            if (*questions,) == draft.questions and (*tables,) == draft.tables:
                return await self.answers
            self.answers.cancel()
        return await self.source.answer(questions, tables)


@asynccontextmanager
async def looked_at(
    source: JobSource, config: Config, say: Callable[[str], None], *, anew: bool
) -> AsyncGenerator[Looking]:
    """Read what the plan needs to know of `source`; for a run that begins `anew`, rows are counted meanwhile.

    Raises:
        UsageError: the settings don't fit the source.
        SourceError, SourceLostError: the source can't be read.

    """
    known = await read_known(source, config, say)
    if not anew:
        yield Looking(source, known)
        return
    draft = plan_known(known, config)
    answers = asyncio.create_task(_asked(source, config, draft), name="questions")
    try:
        yield Looking(source, known, draft, answers)
    finally:
        answers.cancel()
        await asyncio.gather(answers, return_exceptions=True)


async def _asked(source: JobSource, config: Config, draft: Plan) -> list[Answered]:
    """The answers to a draft's questions; its first rows are read ahead then.

    Not where tables may have to be emptied before, which can take long: no snapshot is held meanwhile.
    """
    answers = await source.answer(draft.questions, draft.tables)
    if not config.run.restart and config.run.if_exists is not IfExists.REPLACE:
        source.read_ahead(draft.tables)
    return answers


async def look_at_target(
    config: Config,
    looking: Looking,
    database: D1Database,
    events: Events,
    earlier: Journal | None,
    *,
    rebuilt: bool,
) -> tuple[Ends, Lost | None]:
    """See what the target holds, and finish the plan; refuse what can't be moved.

    Of the run in `earlier`, which goes on, rows aren't counted again; nor of one whose checkpoint is
    lost and to be `rebuilt`, which is looked for in the target.
    """
    seen = await survey(database)
    lost: Lost | None = None
    refused, asked = None, set[str]()
    if rebuilt:
        from streamer.run.lost import find_lost  # noqa: PLC0415 (hardly any run is)

        lost = await find_lost(database, seen, looking.source.identity, config.selection)
        refused, asked = lost.facts.get("refused"), {*lost.tables}
    elif earlier is not None:
        refused = earlier.running.document.get("refused")
        asked = {step.table for step in earlier.steps}
    plan = await plan_job(
        looking.source,
        config,
        known=looking.known,
        draft=looking.draft,
        answer=looking.answer,
        existing_parents=seen.names,
        refused=refused_then(refused),
        asked=asked,
        say=events.phase,
    )
    refusals = [sentence(finding) for finding in plan.refusals]
    refuse_what_cannot_move(refusals, skip_refused=config.run.skip_refused)
    warn_of(events, plan.findings)
    for table in plan.tables:
        events.table_expected(str(table.name), estimated_rows(table.table, table.columns))
    transforms = load_transforms(plan.tables, Path.cwd())
    ends = Ends(looking.source, database, seen, plan, transforms)
    return ends, lost


MOST_SAID = 200  # things that aren't carried over, before only their kinds are said


def warn_of(events: Events, findings: Sequence[Finding]) -> None:
    """Say what isn't carried over as it is: each thing to the report and the log.

    People are told each thing too, or each kind of things where these would be too many to read.
    """
    short = [*in_short(findings)] if len(findings) > MOST_SAID else [*map(sentence, findings)]
    if len(short) < len(findings):
        short.append(
            f"that makes {len(findings):,} things: `streamer plan` lists them by table,"
            f" the report, a --log-file and -v one by one"
        )
    events.warnings_in_short(map(sentence, findings), short)
