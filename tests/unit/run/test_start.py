"""Which of several errors is told, when many parts of a run end at once."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from streamer.config import Config, RunSettings
from streamer.errors import (
    BadRowsError,
    CheckpointFullError,
    FencedError,
    SettingsError,
    SourceLostError,
    TargetUnavailableError,
)
from streamer.progress import Events
from streamer.run import run
from streamer.run.start import first_cause

BAD, FENCED = BadRowsError("bad rows"), FencedError("fenced")
DOWN, LOST = TargetUnavailableError("down"), SourceLostError("lost")
FULL = CheckpointFullError("full")
FAULT = ValueError("a fault of ours")


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (BAD, BAD),
        (FAULT, FAULT),
        (ExceptionGroup("", [DOWN]), DOWN),
        (ExceptionGroup("", [DOWN, LOST]), DOWN),
        (ExceptionGroup("", [DOWN, LOST, BAD]), BAD),
        (ExceptionGroup("", [FENCED, BAD]), FENCED),
        (ExceptionGroup("", [FAULT, FULL]), FULL),
        (ExceptionGroup("", [FAULT, OSError()]), FAULT),
        (ExceptionGroup("", [ExceptionGroup("", [FAULT, DOWN]), LOST]), DOWN),
        (ExceptionGroup("", [DOWN, ExceptionGroup("", [ExceptionGroup("", [BAD])])]), BAD),
        (BaseExceptionGroup("", [asyncio.CancelledError(), FULL]), FULL),
        (BaseExceptionGroup("", [KeyboardInterrupt(), FENCED]), FENCED),
    ],
    ids=repr,
)
def test_the_error_that_the_user_must_act_on_is_told(
    error: BaseException, told: BaseException
) -> None:
    assert first_cause(error) is told


async def test_without_a_target_nothing_is_opened(tmp_path: Path) -> None:
    config = Config(run=RunSettings(checkpoint=tmp_path / "run.db"))

    with pytest.raises(SettingsError, match="CLOUDFLARE_API_TOKEN"):
        await run(config, Events(lambda: 0.0), asyncio.Event())

    assert not config.run.checkpoint.exists()
