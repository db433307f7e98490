"""Env files: `KEY=VALUE` lines as dotenv files and shells have them, without any expansion."""

from __future__ import annotations

import re

from streamer.frozen import frozen

_LINE = r"\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_.]*)\s*=\s*(.*?)\s*"
_SINGLE = r"'([^']*)'\s*(?:#.*)?"
_DOUBLE = r'"((?:[^"\\]|\\.)*)"\s*(?:#.*)?'
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t"}


@frozen
class Entry:
    """One assignment, and the line it stands in (from 1)."""

    key: str
    value: str
    line: int


def parse(text: str) -> tuple[list[Entry], list[tuple[int, str]]]:
    """The assignments in order, and what is wrong in which line; never quotes a line's content.

    In double quotes a backslash escapes; in single quotes all is literal; without quotes ` #`
    begins a comment.
    """
    entries: list[Entry] = []
    problems: list[tuple[int, str]] = []
    for number, line in enumerate(text.removeprefix("\ufeff").split("\n"), start=1):
        if not (bare := line.strip()) or bare.startswith("#"):
            continue
        if (match := re.fullmatch(_LINE, line)) is None:
            problems.append((number, "not a setting; write KEY=VALUE"))
        elif (value := _value(match[2])) is None:
            problems.append(
                (number, f"{match[1]}: the quotes don't match; close them in this line")
            )
        else:
            entries.append(Entry(match[1], value, number))
    return entries, problems


def _value(raw: str) -> str | None:
    if raw.startswith("'"):
        single = re.fullmatch(_SINGLE, raw)
        return None if single is None else single[1]
    if raw.startswith('"'):
        double = re.fullmatch(_DOUBLE, raw)
        return None if double is None else re.sub(r"\\(.)", _unescape, double[1])
    return re.split(r"(?:^|\s)#", raw, maxsplit=1)[0].rstrip()


def _unescape(match: re.Match[str]) -> str:
    return _ESCAPES.get(match[1], match[1])
