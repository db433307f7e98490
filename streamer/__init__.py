"""Streamer moves PostgreSQL tables into Cloudflare D1: streamed, paced, resumable, exact.

The way of the data, and where each part lives:

     catalog ──▶ plan ──▶  ┌─ reader ─▶ pack ─┐          ┌─ sink ─┐
    (postgres)   (pure)    │  cursor   (pure) │═ outbox ═▶│  pace  │══▶ D1
                           └── one a table ───┘   bytes  └─ send ─┘
                                                             │ acknowledged, in any order
                             checkpoint ◀── watermark ◀──────┘ contiguous prefix only

    cli/          a file a command: settings in, exit code out
    config/       option > environment > env file > TOML → one frozen Config
    demo/         the whole story on one machine
    doctor.py     what both ends are like, and what to do about it
    rollback/     takes back what a run wrote
    tune/         tries a target out, and advises settings
    run/          a whole job: look, decide, claim, make tables, move rows, check, finish, report
    files/        the job in steps: tables into files, with all that later steps need to know
    validate/     both sides compared row by row, by the target's own engine
    pipeline/     readers, the users' functions, byte budget, outbox, uploaders, watermark, recorder
    sinks/        batches made durable in D1, with their ledger; late parents sent ahead
    postgres/     connections, catalog, snapshots, windowed reading (the only import of asyncpg)
    targets/      the target that the user names, opened: D1, or a plain file here
    metrics/      a run's figures for Prometheus, and a page to look at
    page/         a report as one HTML page
    tracing.py    a run as OpenTelemetry spans
    library.py    plan, run and validate for Python programs
    progress/     events → figures, display, log lines, the report
    d1/           requests paced, sent, classified, sent again (the only HTTP client)
    pace/         how fast: window, concurrency, backoff, gate (pure)
    plan/         which tables, in which order, at what cost (pure)
    translate/    types, names, keys, schema (pure)
    pack/         rows → statements → batches; the ledger's SQL (pure)
    limits.py     every number of Cloudflare's, with its source
    model/        the nouns that flow
    errors.py     what can go wrong, by what to do about it
    frozen.py     the decorator of values: dataclasses that are made quickly
    version.py    the one place of the version
    local_d1/     serve-d1: D1's REST API over SQLite files; shares nothing with the rest

Beside it lies `checkpoints`, a library of its own. For Python programs (docs/library.md):

    transfer = streamer.Transfer("postgresql://me@db.example.com/shop", "sqlite:shop.db")
    plan = transfer.plan()
    moved = transfer.run(resume=True, on_progress=lambda view: print(view.rows))
    compared = transfer.validate(full=True)
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from streamer.errors import (
        BadFileError,
        BadRowsError,
        CheckpointFullError,
        CheckpointProblemError,
        ExitCode,
        FencedError,
        InterruptedRunError,
        RefusedError,
        SettingsChangedError,
        SettingsError,
        SourceChangedError,
        SourceError,
        SourceLostError,
        SourceMovedError,
        StreamerError,
        TargetError,
        TargetUnavailableError,
        UsageError,
    )
    from streamer.library import D1, Options, Transfer
    from streamer.model import Estimate, Finding, Plan, TablePlan
    from streamer.progress import Figures, RunReport, Status, TableReport, TableView, View
    from streamer.validate import Verdict
    from streamer.validate.report import ValidationReport

__all__ = [
    "D1",
    "BadFileError",
    "BadRowsError",
    "CheckpointFullError",
    "CheckpointProblemError",
    "Estimate",
    "ExitCode",
    "FencedError",
    "Figures",
    "Finding",
    "InterruptedRunError",
    "Options",
    "Plan",
    "RefusedError",
    "RunReport",
    "SettingsChangedError",
    "SettingsError",
    "SourceChangedError",
    "SourceError",
    "SourceLostError",
    "SourceMovedError",
    "Status",
    "StreamerError",
    "TablePlan",
    "TableReport",
    "TableView",
    "TargetError",
    "TargetUnavailableError",
    "Transfer",
    "UsageError",
    "ValidationReport",
    "Verdict",
    "View",
]

_HOMES = {
    **dict.fromkeys(("D1", "Options", "Transfer"), "streamer.library"),
    **dict.fromkeys(("Estimate", "Finding", "Plan", "TablePlan"), "streamer.model"),
    **dict.fromkeys(
        ("Figures", "RunReport", "Status", "TableReport", "TableView", "View"), "streamer.progress"
    ),
    "Verdict": "streamer.validate",
    "ValidationReport": "streamer.validate.report",
}


def __getattr__(name: str) -> object:
    """Load a public name when it is first asked for: most commands need few of them."""
    if name not in __all__:
        raise AttributeError(f"module 'streamer' has no attribute {name!r}")
    return getattr(import_module(_HOMES.get(name, "streamer.errors")), name)


def __dir__() -> list[str]:
    return [*globals(), *__all__]
