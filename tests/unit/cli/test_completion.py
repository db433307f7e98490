"""Completion scripts, and the page with every option."""

from __future__ import annotations

import argparse
import io
import shutil
import subprocess
from contextlib import redirect_stdout
from functools import cache
from pathlib import Path

import pytest

from streamer.cli.commands import COMMANDS
from streamer.cli.completion import SHELLS, run
from streamer.config import Config
from tests.documents.cli_page import PAGE, page


@cache
def printed(shell: str) -> str:
    """The script, which takes most of a second to make."""
    output = io.StringIO()
    with redirect_stdout(output):
        assert run(argparse.Namespace(shell=shell), Config()) == 0
    return output.getvalue()


@pytest.mark.parametrize("shell", SHELLS)
def test_a_script_names_every_command_and_its_options(shell: str) -> None:
    script = printed(shell)

    for name in COMMANDS:
        assert name in script
    assert "consistency" in script


@pytest.mark.skipif(shutil.which("bash") is None, reason="no bash")
@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("streamer pl", "plan"),
        ("streamer run --consis", "--consistency"),
        ("streamer status --wat", "--watch"),
    ],
)
def test_bash_completes_with_it(tmp_path: Path, words: str, found: str) -> None:
    script = tmp_path / "streamer"
    script.write_text(printed("bash"))
    ask = f"""
        . {script}
        COMP_WORDS=({words}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))
        COMP_LINE="{words}"; COMP_POINT=${{#COMP_LINE}}
        _shtab_streamer 2>/dev/null
        echo "${{COMPREPLY[@]}}"
    """

    answer = subprocess.run(["bash", "-c", ask], capture_output=True, text=True, check=True)

    assert answer.stdout.split() == [found]


def test_the_page_of_commands_is_what_the_parsers_say() -> None:
    assert PAGE.read_text() == page(), "docs/cli.md is behind the parsers: run `make docs`"
