"""Every command line in every document is one that the command takes."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest

from streamer.cli.commands import COMMANDS
from streamer.cli.execute import parse
from tests.documents.commands import ROOT, in_script, in_text

PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
FULL_OF_THEM = ("quickstart.md", "tuning.md", "faq.md", "from-scripts.md")
SOURCES = sorted((ROOT / "streamer").rglob("*.py"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_command_line_of_a_page_can_be_parsed(page: Path) -> None:
    lines = in_text(page.read_text(), page.name)

    assert [(line.words, line.problem()) for line in lines if line.problem()] == []
    if page in {ROOT / "README.md", *(ROOT / "docs" / name for name in FULL_OF_THEM)}:
        assert len(lines) >= 5


@pytest.mark.parametrize("name", COMMANDS)
def test_every_example_of_a_help_can_be_parsed(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        parse(COMMANDS[name], importlib.import_module(COMMANDS[name].module), ["--help"])
    _, _, examples = capsys.readouterr().out.partition("\nexample")

    lines = in_script(examples, name)

    assert lines
    assert [(line.words, line.problem()) for line in lines if line.problem()] == []


def test_every_command_that_a_message_names_can_be_parsed() -> None:
    wrong = [
        (path.name, line.words, line.problem())
        for path in SOURCES
        for code in re.findall(r"`(streamer [^`{}]+)`", path.read_text())
        for line in in_script(code, path.name)
        if line.problem()
    ]

    assert wrong == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_of_a_page_leads_somewhere(page: Path) -> None:
    text = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
    broken: list[str] = []
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        file, _, anchor = target.partition("#")
        if "://" in file:
            continue
        there = (page.parent / file) if file else page
        if not there.exists() or (anchor and anchor not in anchors(there.read_text())):
            broken.append(target)

    assert broken == []


def anchors(text: str) -> set[str]:
    """The anchors that GitHub gives a page's headings."""
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ("streamer run --table 'sales_*'   only some", ("run", "--table", "sales_*")),
        ("until streamer run --resume; do case $? in 2|3) break;; esac; done", ("run", "--resume")),
        ("streamer plan --json | jq .estimate", ("plan", "--json")),
        ("A=b streamer status    # a remark", ("status",)),
        ("/opt/x/bin/streamer run --resume || true", ("run", "--resume")),
    ],
)
def test_a_line_is_read_as_a_shell_would(row: str, words: tuple[str, ...]) -> None:
    assert [line.words for line in in_script(row, "")] == [words]


@pytest.mark.parametrize("row", ["streamer rum", "streamer run --colour x", "streamer run a b"])
def test_a_line_that_is_wrong_is_noticed(row: str) -> None:
    assert in_script(row, "")[0].problem()
