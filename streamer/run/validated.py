"""What came of a validation: its report, and the file of all differences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from streamer.config import Config, ValidateSettings
from streamer.errors import ExitCode, StreamerError
from streamer.frozen import frozen
from streamer.progress import Events, Status, write_report
from streamer.validate import Depth, Differences, Verdict
from streamer.validate.report import Repaired, ValidationReport, write_differences
from streamer.version import VERSION

if TYPE_CHECKING:
    from checkpoints import JSON

Found = Sequence[tuple[Verdict, Differences]]
"""Comparisons, each with all that differs in it."""


@frozen
class Validated:
    """What came of a validation; no verdicts where there was nothing left to do."""

    code: ExitCode
    depth: Depth
    verdicts: Sequence[Verdict] = ()
    report: ValidationReport | None = None


@frozen
class Named:
    """Which validation it is, and of what."""

    run_id: str
    started_at: datetime
    source: Mapping[str, JSON]
    target: Mapping[str, JSON]


def depth_of(settings: ValidateSettings) -> Depth:
    """How much is compared."""
    # A repair that doesn't know all values might take a row by a cascade.
    if settings.full or settings.repair:
        return Depth.FULL
    return Depth.SAMPLE if settings.detailed else Depth.KEYS


def code_of(verdicts: Sequence[Verdict], errors: Sequence[str] = ()) -> ExitCode:
    """How a validation ends that came to its end."""
    whole = all(verdict.equal for verdict in verdicts) and not errors
    return ExitCode.DONE if whole else ExitCode.INCOMPLETE


def save(
    config: Config,
    events: Events,
    named: Named,
    found: Found,
    *,
    code: ExitCode,
    repaired: Repaired | None = None,
    errors: Sequence[str] = (),
) -> ValidationReport:
    """Write the report, and all differences where they are wanted; what can't be is a warning."""
    events.recorded()
    settings = config.validation
    report = ValidationReport(
        tool_version=VERSION,
        run_id=named.run_id,
        status=Status.of(code),
        started_at=named.started_at,
        ended_at=datetime.now(UTC),
        source=named.source,
        target=named.target,
        depth=depth_of(settings),
        tables=[verdict for verdict, _ in found],
        traffic=events.tally.traffic,
        repaired=repaired,
        warnings=events.warnings,
        errors=errors,
    )
    events.validation = report.to_json()
    try:
        write_report(settings.report, events.validation, option="--output-report")
        if settings.differences is not None:
            write_differences(settings.differences, found)
    except StreamerError as error:
        events.warning(str(error))
        events.report_lost = True
    return report
