"""Adds settings to a `streamer.toml` that is there, where that changes nothing else in it."""

from __future__ import annotations

import os
import re
import stat
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path

from streamer.cli.settings_file import OPTION
from streamer.errors import SettingsError
from streamer.progress.whole import write_whole

_WRITABLE = stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH


def read(path: Path) -> str | None:
    """The file's text; None where there is none.

    Raises:
        SettingsError: it can't be read, isn't TOML, or its folder isn't there.
    """
    try:
        text = path.read_bytes().decode()
        tomllib.loads(text)
    except FileNotFoundError:
        if path.parent.is_dir() and not path.is_symlink():
            return None
        raise _unusable(path, "there is no such folder") from None
    except OSError as error:
        raise _unusable(path, f"it can't be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise _unusable(path, "it isn't UTF-8 text") from None
    except tomllib.TOMLDecodeError:
        raise _unusable(path, "it isn't valid TOML") from None
    return text


def refuse_unwritable(path: Path) -> None:
    """Raise SettingsError where no file can be made at `path`, or put in the place of the one there.

    A file that nobody may write to stays as it is, also for root, who could.
    """
    file = path.resolve()
    if not os.access(file.parent, os.W_OK | os.X_OK):
        raise _unusable(path, "its folder can't be written into")
    if not file.exists():
        return
    if not file.stat().st_mode & _WRITABLE:
        raise _unusable(path, "it is read-only", "allow writing (chmod u+w), or name another file")
    if not os.access(file, os.W_OK):
        raise _unusable(
            path, "this user can't write to it", "run as its owner, or name another file"
        )


def lines(settings: Mapping[str, int]) -> list[str]:
    """The settings as lines of TOML."""
    return [f"{key} = {value}" for key, value in settings.items()]


def with_section(text: str, section: Sequence[str]) -> str:
    """`text` with a section, whose lines these are, in the place of one with the same head, or at the end.

    One ends with its last setting: comments behind that are somebody's own, or about what comes next.
    """
    written = "".join(f"{line}\n" for line in section)
    comment, setting = r"[ \t]*#[^\n]*\n", r"[ \t]*[^\s\[#][^\n]*\n?"
    there = re.compile(
        rf"^[ \t]*{re.escape(section[0])}[^\n]*\n?(?:(?:{comment})*{setting})*", re.MULTILINE
    )
    if there.search(text):
        return there.sub(lambda _: written, text, count=1)
    gap = "" if not text or text.endswith("\n") else "\n"
    return f"{text}{gap}\n{written}"


def merged(text: str, settings: Mapping[str, int], section: Sequence[str]) -> str | None:
    """`text` that says `settings` and has the `section` too, and else says what it said.

    A setting takes the place of the line that has it as a comment, or stands in front of the first
    section. None where `text` says otherwise already, or where that can't be done exactly.
    """
    before = tomllib.loads(text)
    if any(key in before and before[key] != value for key, value in settings.items()):
        return None
    after = text
    for key, value in settings.items():
        if key not in before:
            after = _with_line(after, key, f"{key} = {value}")
    after = with_section(after, section)
    try:
        says = tomllib.loads(after)
    except tomllib.TOMLDecodeError:
        return None
    return after if says == {**before, **settings, **tomllib.loads("\n".join(section))} else None


def replace_file(path: Path, before: str, after: str) -> None:
    """Put `after` into the file, whole or not at all; who may read and write it stays as it was.

    Raises:
        SettingsError: somebody changed the file since it was read as `before`.
        StreamerError: it can't be written.
    """
    if read(path) != before:
        raise _unusable(path, "it was changed meanwhile")
    if after != before:
        file = path.resolve()
        hint = "Make room or access, then run again."
        write_whole(file, after.encode(), hint=hint, like=file.stat())


def _with_line(text: str, key: str, line: str) -> str:
    section = re.search(r"^[ \t]*\[", text, re.MULTILINE)
    head, tail = (text[: section.start()], text[section.start() :]) if section else (text, "")
    changed, count = re.subn(rf"^# ?{key} = [^\r\n]*", line, head, count=1, flags=re.MULTILINE)
    if count:
        return changed + tail
    gap = "" if not head or head.endswith("\n") else "\n"
    return f"{head}{gap}{line}\n{tail}"


def _unusable(path: Path, why: str, remedy: str = "name another file") -> SettingsError:
    return SettingsError([f"{OPTION}: {path}: {why}; {remedy}"])
