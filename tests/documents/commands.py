"""The command lines in documents: found where they stand, and parsed as the command would."""

from __future__ import annotations

import importlib
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml

from streamer.cli.commands import COMMANDS
from streamer.cli.execute import parse
from streamer.config import resolve
from streamer.errors import StreamerError

ROOT = Path(__file__).parents[2]
_ENDS = {"|", "||", "&&", ";", ">", ">>", "<", "2>", "do", "&"}
_PLACES = {"SHELL": "bash"}
_WITHOUT_COMMAND = ({"--version"}, {"--help"}, {"help"})


@dataclass(frozen=True, slots=True)
class Line:
    """One call of `streamer` in a document."""

    where: str
    words: tuple[str, ...]

    def problem(self) -> str:
        """Why the command would refuse it, '' where it wouldn't."""
        name, *arguments = self.words or ("",)
        if {*self.words} in _WITHOUT_COMMAND or name == "COMMAND":
            return ""
        command = COMMANDS.get(name)
        if command is None:
            return f"no command {name!r}"
        if not arguments:  # perhaps it is only mentioned
            return ""
        filled = [_PLACES.get(word, word) for word in arguments]
        try:
            args = parse(command, importlib.import_module(command.module), filled)
            options = {**vars(args), "config": None, "env_file": None}  # files that aren't here
            resolve(options, {}, job=command.job)
        except StreamerError as error:
            return str(error)
        except SystemExit:  # after --help
            return ""
        return ""


def in_text(text: str, where: str) -> list[Line]:
    """The calls in a page of Markdown: in its blocks of code, and between backticks."""
    lines: list[Line] = []
    for kind, block in re.findall(r"^```(\w*)\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
        if kind not in {"toml", "python", "sql", "json", "ini"}:
            lines += in_script(block, where)
    for code in re.findall(r"`(streamer [^`]+)`", re.sub(r"```.*?```", "", text, flags=re.DOTALL)):
        lines += in_script(code, where)
    return lines


def in_script(text: str, where: str) -> list[Line]:
    """The calls in lines of shell; what follows two spaces and no option is taken for a remark."""
    joined = text.replace("\\\n", " ")
    return [line for row in joined.splitlines() for line in _in_row(row, where)]


def _in_row(row: str, where: str) -> Iterator[Line]:
    row = re.split(r"(?<=\S)(?: {2,}|\s+#)(?!--)", row.strip())[0]
    try:
        words = [*shlex.shlex(row, posix=True, punctuation_chars="|&;<>")] and _words(row)
    except ValueError:
        return
    starts = [n for n, word in enumerate(words) if _is_streamer(words, n, word)]
    for start in starts:
        end = next((n for n in range(start, len(words)) if words[n] in _ENDS), len(words))
        yield Line(where, tuple(words[start + 1 : end]))


def _words(row: str) -> list[str]:
    lexer = shlex.shlex(row, posix=True, punctuation_chars="|&;<>")
    lexer.whitespace_split = True
    return [*lexer]


def _is_streamer(words: list[str], n: int, word: str) -> bool:
    before = words[n - 1] if n else ""
    called = word == "streamer" or word.endswith("/bin/streamer")
    return called and (n == 0 or before in _ENDS | {"until", "$", "nice"} or "=" in before)


def in_unit(text: str, where: str) -> list[Line]:
    """The calls in a systemd unit."""
    return [
        line
        for row in re.findall(r"^Exec\w+=(.*)$", text, re.MULTILINE)
        for line in in_script(row, where)
    ]


def in_workflow(text: str, where: str) -> list[Line]:
    """The calls in a workflow of GitHub Actions."""
    jobs = yaml.safe_load(text)["jobs"].values()
    scripts = [step["run"] for job in jobs for step in job["steps"] if "run" in step]
    return [line for script in scripts for line in in_script(script, where)]
