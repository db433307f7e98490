"""What a comparison is told: its depth, its files, and places that it can write to."""

from __future__ import annotations

import os
from pathlib import Path

from streamer.config import known
from streamer.config.known import Setting
from streamer.config.settings import ValidateSettings
from streamer.config.shaping import Lookup


def resolve_validation(look: Lookup, *, compares: bool) -> ValidateSettings:
    """What is compared, and where what comes of it goes; `compares`: by the command for it."""
    base = ValidateSettings()
    exported = look.optional(known.EXPORT_DIR) if compares else None
    transformed = look.optional(known.TRANSFORMED_DIR) if compares else None
    repair = look.one(known.REPAIR, default=False)
    if repair and (exported or transformed):
        look.problems.append(
            "--repair makes D1 equal to PostgreSQL; with --export-dir and --transformed-dir files are"
            " compared: leave one of them out, or bring the files anew with `streamer import`"
        )
    detailed, full = look.one(known.DETAILED, default=False), look.one(known.FULL, default=False)
    if compares:
        _for_a_sample(look, compared=detailed or full or repair)
        for setting in (known.OUTPUT_REPORT, known.DIFFERENCES):
            _check_place(look, setting)
    return ValidateSettings(
        report=look.one(known.OUTPUT_REPORT, (transformed or Path()) / base.report),
        exported=exported,
        transformed=transformed,
        differences=look.optional(known.DIFFERENCES),
        detailed=detailed,
        full=full,
        sample_rows=look.one(known.SAMPLE, base.sample_rows),
        repair=repair,
    )


def _for_a_sample(look: Lookup, *, compared: bool) -> None:
    """Refuse the size of a sample beside a comparison of keys alone; elsewhere it may be meant for others."""
    given = look.given(known.SAMPLE)
    if given is not None and given.where == known.SAMPLE.option and not compared:
        look.problems.append(
            f"{given.where}: it is how many rows --detailed compares; write --detailed too"
        )


def _check_place(look: Lookup, setting: Setting[Path]) -> None:
    """Refuse a file that can't be written, before the hours that lead to it."""
    path, given = look.optional(setting), look.given(setting)
    if path is None or given is None:
        return
    try:
        problem = (
            f"{path} is a folder"
            if path.is_dir()
            else f"there is no folder {path.parent}"
            if not path.parent.is_dir()
            else f"{path.parent} can't be written to"
            if not os.access(path.parent, os.W_OK | os.X_OK)
            else ""
        )
    except OSError as error:
        problem = f"{path} can't be looked at ({error.strerror})"
    if problem:
        look.problems.append(f"{given.where}: {problem}; write another file")
