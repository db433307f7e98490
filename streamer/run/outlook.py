"""What would come of a run: the plan of the configured source, without a target."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from pathlib import Path

import checkpoints
from streamer.config import Config
from streamer.errors import ExitCode
from streamer.frozen import frozen
from streamer.model import Known, LastRun, Measure, Plan, QualifiedName, Speed
from streamer.pipeline.transform import load_transforms
from streamer.plan.estimate import measured
from streamer.plan.requests import Packing
from streamer.postgres import PostgresSource
from streamer.postgres.measures import measure
from streamer.progress.status import status_of
from streamer.run.meant import is_meant
from streamer.run.planning import plan_job, read_known
from streamer.run.recorded import members
from streamer.run.states import RunState

log = logging.getLogger("streamer.plan")


async def read_plan(config: Config) -> Plan:
    """Read the source's catalog and plan the job; the target isn't looked at.

    Raises: as `look_ahead` does.
    """
    return (await look_ahead(config)).plan


@frozen
class Outlook:
    """The plan of a job, what was measured of its tables, and what is known of its time."""

    plan: Plan
    measures: Mapping[QualifiedName, Measure]
    known: Known


async def look_ahead(config: Config) -> Outlook:
    """What would come of a run.

    Raises:
        SourceError, SourceLostError: the source can't be read.
        UsageError: the selection names what isn't there, a setting fits nothing, or a transform
            can't be loaded.

    """
    began = time.monotonic()
    opening = PostgresSource.open(
        config.source, config.run.consistency, log.warning, hash_key=config.shaping.hash_key
    )
    async with opening as source:
        known = await read_known(source, config, log.info)
        read, busy = time.monotonic(), time.process_time()
        plan = await plan_job(source, config, known=known, say=log.info)
        asked = time.monotonic()  # a run does the same
        waited_s = max(0.0, asked - read - (time.process_time() - busy))
        log.info("measuring rows")
        measures = await measure(plan.tables, source.run)
    seen = Known(
        start_s=asked - began,
        waited_s=waited_s,
        speed=_speed(config),
        last=_last_run(config),
        concurrency=config.pacing.concurrency,
    )
    packing = Packing.of(config)
    plan = measured(plan, config.pacing.rate, measures, packing=packing, known=seen)
    load_transforms(plan.tables, Path.cwd())
    return Outlook(plan, measures, seen)


def _speed(config: Config) -> Speed | None:
    """What the settings' file holds of this target's speed; of another one it is said, not used."""
    if config.measured is None:
        return None
    if is_meant(config, config.measured.target):
        return config.measured.speed
    log.warning(
        "[measured] is of another target, %s: it isn't used; `streamer tune` measures this one",
        config.measured.target.get("database_name") or config.measured.target.get("database"),
    )
    return None


def _last_run(config: Config) -> LastRun | None:
    """The run into this target that is finished in the checkpoint; None where there is none."""
    try:
        saved = checkpoints.peek(config.run.checkpoint)
    except (checkpoints.CheckpointError, OSError):
        return None
    if saved is None or saved.run.state != RunState.DONE:
        return None
    if not is_meant(config, members(saved.run.document.get("target"))):
        return None
    traffic = status_of(saved, pid=None, host=None).traffic
    return LastRun(traffic.bytes, traffic.seconds) if traffic.seconds > 0 else None


def exit_code(plan: Plan, config: Config) -> ExitCode:
    """How a run of this plan would end at best."""
    if not plan.refusals:
        return ExitCode.DONE
    return ExitCode.INCOMPLETE if config.run.skip_refused else ExitCode.USAGE
