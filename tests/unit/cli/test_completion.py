"""Completion scripts, and the page with every option."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from streamer.cli.commands import COMMANDS
from streamer.cli.completion import SHELLS, run, whole_parser
from streamer.config import Config
from tests.documents.cli_page import PAGE, page


@pytest.mark.parametrize("shell", SHELLS)
def test_a_script_names_every_command_and_its_options(
    shell: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(whole_parser().parse_args(["completion", shell]), Config()) == 0

    script = capsys.readouterr().out
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
def test_bash_completes_with_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: str, found: str
) -> None:
    run(whole_parser().parse_args(["completion", "bash"]), Config())
    script = tmp_path / "streamer"
    script.write_text(capsys.readouterr().out)
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
