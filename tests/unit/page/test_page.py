"""The page of a report: all that it says, safe to open, in need of nothing."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.cli import report as command
from streamer.cli.parser import Parser
from streamer.config import Config
from streamer.errors import ExitCode, StreamerError
from streamer.page import page_of
from streamer.progress import Figures, RunReport, Status, TableReport, Traffic
from streamer.progress.history import Latencies, Sample
from streamer.validate import Check, Depth, Difference, Kind, Verdict
from streamer.validate import Status as Result
from streamer.validate.report import ValidationReport

HOSTILE = '</style><script>alert("1")</script>'
VOID = {"meta", "link", "br"}


def answers(*seconds: float) -> Latencies:
    latencies = Latencies()
    for one in seconds:
        latencies.add(one)
    return latencies


REPORT = RunReport(
    tool_version="0.1.0",
    run_id="8f2c",
    status=Status.INCOMPLETE,
    started_at=datetime(2026, 11, 22, 10, 0, 0, tzinfo=UTC),
    ended_at=datetime(2026, 11, 22, 12, 0, 5, tzinfo=UTC),
    source={"database": HOSTILE, "server_version": 180006},
    target={"database": "db", "database_name": "shop"},
    tables=(TableReport(HOSTILE, "a", Figures(rows_written=1_234, bytes_sent=5_000_000)),),
    traffic=Traffic(requests=9, rows_written=2_500_000, seconds=7205),
    warnings=(f"careful: {HOSTILE}",),
    errors=("an index couldn't be built",),
    timeline=[Sample(at, at * 100, at * 5_000, at, at // 3, at % 7, 4) for at in range(1, 9)],
    answers=answers(0.03, 0.3, 0.3, 2.0),
).to_json()


class Reading(HTMLParser):
    """What a browser makes of a page: its text, what is open, what would be fetched or run."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.words: list[str] = []
        self.open: list[str] = []
        self.reached: list[str] = []
        self.pictures = 0
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in VOID:
            self.open.append(tag)
        self.pictures += tag == "svg"
        if tag in {"script", "iframe", "img", "link", "object", "embed"}:
            self.reached.append(tag)
        for name, value in attrs:
            if name in {"src", "href", "xlink:href"} and not str(value).startswith("#"):
                self.reached.append(f"{name}={value}")
            if name.startswith("on"):
                self.reached.append(name)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not {"style", "title", "desc"} & {*self.open}:
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


def test_it_tells_all_that_the_report_does() -> None:
    page = Reading(page_of(REPORT))

    for words in (
        "streamer run: done, but something was left out",
        "(PostgreSQL 18.6)",
        "shop",
        "2026-11-22 12:00:05 UTC",
        "an index couldn't be built",
        f"careful: {HOSTILE}",
        "1,234",
        "5.0 MB",
        "$2.50",
        "2h 00m",
        "mode: snapshot",
    ):
        assert words in page.text


COMPARED = ValidationReport(
    tool_version="0.1.0",
    run_id="8f2c",
    status=Status.INCOMPLETE,
    started_at=datetime(2026, 11, 22, 10, 0, 0, tzinfo=UTC),
    ended_at=datetime(2026, 11, 22, 12, 0, 5, tzinfo=UTC),
    source={"database": "shop"},
    target={"database": "db"},
    depth=Depth.FULL,
    tables=[
        Verdict(
            "public.item",
            "item",
            [
                Check("file", Result.DIFFERS, note=HOSTILE),
                Check("values", Result.DIFFERS, figures={"compared": 42, "different": 1}),
            ],
            [Difference("public.item", Kind.DIFFERENT, ("7", HOSTILE), ("a", "b"), line=13)],
            between=("transformed", "d1"),
            file="item.json",
        ),
        Verdict("public.item", "item", [Check("values", Result.OK, figures={"compared": 41})]),
    ],
    traffic=Traffic(),
)


def test_of_a_comparison_it_tells_each_check_and_each_difference() -> None:
    page = Reading(page_of(COMPARED.to_json()))

    for words in (
        "streamer validate: there are differences",
        "public.item values ok 41",
        f"public.item transformed, d1 file differs {HOSTILE}",
        "public.item transformed, d1 values differs 42 1",
        f"public.item transformed, d1 different 7, {HOSTILE} a, b 13",
        "item.json",
    ):
        assert words in page.text
    assert page.open == []


def test_it_is_whole_needs_nothing_and_runs_nothing() -> None:
    page = Reading(page_of(REPORT))

    assert page.open == []
    assert page.reached == []
    assert page.pictures == 4
    assert "@import" not in page_of(REPORT)
    assert not re.search(r"url\((?!#)", page_of(REPORT))


def test_a_run_of_a_moment_has_no_pictures_of_its_course() -> None:
    short = {**REPORT, "timeline": [], "answers": {"bounds_s": [1.0], "counts": [0, 0], "sum_s": 0}}

    assert Reading(page_of(short)).pictures == 0


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(st.dictionaries(st.sampled_from([*REPORT, "validation", "x"]), JSON))
def test_whatever_stands_in_a_report_the_page_is_one(changes: dict[str, object]) -> None:
    document = {**REPORT, **changes, "format_version": 1}

    page = Reading(page_of(document))

    assert page.open == []
    assert page.reached == []


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format_version": 1}', "\0", '{"command": 1}'])
def test_what_is_no_report_is_named(tmp_path: Path, text: str) -> None:
    path = tmp_path / "x.json"
    path.write_text(text)

    with pytest.raises(StreamerError, match=r"x\.json is no report"):
        run(str(path))

    assert [file.name for file in tmp_path.iterdir()] == ["x.json"]


def run(*arguments: str) -> ExitCode:
    top = Parser(prog="streamer")
    commands = top.add_subparsers()
    command.add_parser(commands)
    return command.run(commands.choices["report"].parse_args(arguments), Config())


def test_the_page_stands_beside_the_report_or_where_it_is_wanted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "run_report.json"
    path.write_text(json.dumps(REPORT))

    codes = [
        run(str(path)),
        run(str(path), "--output", str(tmp_path / "y.html")),
        run(str(path), "--output", "-"),
    ]

    assert codes == [ExitCode.DONE] * 3
    pages = {(tmp_path / name).read_text() for name in ("run_report.html", "y.html")}
    assert len(pages) == 1
    assert (tmp_path / "y.html").stat().st_mode & 0o777 == 0o600
    assert "<h1>streamer run" in capsys.readouterr().out


def test_a_page_that_cannot_be_written_names_the_option_to_change(tmp_path: Path) -> None:
    path = tmp_path / "run_report.json"
    path.write_text(json.dumps(REPORT))

    with pytest.raises(StreamerError, match=r"another file with --output"):
        run(str(path), "--output", str(tmp_path / "nowhere" / "x.html"))


def test_a_report_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(StreamerError, match=r"nothing\.json can't be read"):
        run(str(tmp_path / "nothing.json"))
