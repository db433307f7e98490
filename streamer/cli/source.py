"""What `plan`, `schema` and `run --dry-run` share: the plan of the configured source."""

from __future__ import annotations

import logging

from streamer.config import Config
from streamer.errors import ExitCode
from streamer.model import Plan
from streamer.plan import PlanOptions, make_plan
from streamer.postgres import PostgresSource

log = logging.getLogger("streamer.cli")


async def read_plan(config: Config) -> Plan:
    """Read the source's catalog and plan the job; the target isn't looked at.

    Raises:
        SourceError, SourceLostError: the catalog can't be read.
        UsageError: the selection names what isn't there.

    """
    options = PlanOptions(indexes=config.run.indexes, rate=config.pacing.rate)
    opening = PostgresSource.open(config.source, config.run.consistency, log.warning)
    async with opening as source:
        catalog = await source.catalog()
    return make_plan(catalog, config.selection, options)


def exit_code(plan: Plan, config: Config) -> ExitCode:
    """How a run of this plan would end at best."""
    if not plan.refusals:
        return ExitCode.DONE
    return ExitCode.INCOMPLETE if config.run.skip_refused else ExitCode.USAGE
