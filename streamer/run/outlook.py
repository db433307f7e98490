"""What would come of a run: the plan of the configured source, without a target."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path

import checkpoints
from streamer.config import Config
from streamer.errors import ExitCode
from streamer.model import Measure, Plan, QualifiedName
from streamer.pipeline.transform import load_transforms
from streamer.plan.estimate import measured
from streamer.plan.requests import Packing
from streamer.postgres import PostgresSource
from streamer.postgres.measures import measure
from streamer.progress.status import status_of
from streamer.run.planning import plan_job
from streamer.run.states import RunState

log = logging.getLogger("streamer.plan")


async def read_plan(config: Config) -> Plan:
    """Read the source's catalog and plan the job; the target isn't looked at.

    Raises: as `read_measured` does.
    """
    plan, _ = await read_measured(config)
    return plan


async def read_measured(config: Config) -> tuple[Plan, Mapping[QualifiedName, Measure]]:
    """The plan of the job, and what was measured of its tables.

    Raises:
        SourceError, SourceLostError: the source can't be read.
        UsageError: the selection names what isn't there, a setting fits nothing, or a transform
            can't be loaded.

    """
    opening = PostgresSource.open(
        config.source, config.run.consistency, log.warning, hash_key=config.shaping.hash_key
    )
    async with opening as source:
        plan = await plan_job(source, config, say=log.info)
        log.info("measuring rows")
        measures = await measure(plan.tables, source.run)
    plan = measured(
        plan,
        config.pacing.rate,
        measures,
        packing=Packing.of(config),
        last=_last_run(config.run.checkpoint),
    )
    load_transforms(plan.tables, Path.cwd())
    return plan, measures


def _last_run(checkpoint: Path) -> tuple[int, float] | None:
    """Bytes of bodies and seconds of the run that is finished there; None where there is none."""
    try:
        saved = checkpoints.peek(checkpoint)
    except (checkpoints.CheckpointError, OSError):
        return None
    if saved is None or saved.run.state != RunState.DONE:
        return None
    traffic = status_of(saved, pid=None, host=None).traffic
    return traffic.bytes, traffic.seconds


def exit_code(plan: Plan, config: Config) -> ExitCode:
    """How a run of this plan would end at best."""
    if not plan.refusals:
        return ExitCode.DONE
    return ExitCode.INCOMPLETE if config.run.skip_refused else ExitCode.USAGE
