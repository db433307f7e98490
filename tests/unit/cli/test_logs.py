"""Log lines, on stderr and in a file."""

import json
import logging
import re
from pathlib import Path

import pytest

from streamer.cli.logs import logging_to
from streamer.cli.redact import Redactor
from streamer.config import LogFormat, OutputSettings
from streamer.errors import SettingsError
from streamer.progress.lines import Line
from streamer.progress.story import IN_DETAIL, log_line

log = logging.getLogger("streamer.test")


def test_a_line_says_when_how_grave_and_what(capsys) -> None:
    with logging_to(OutputSettings(), Redactor()):
        log.warning("%d tables", 3)

    assert re.fullmatch(
        r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ warning 3 tables\n", capsys.readouterr().err
    )


def test_json_lines_are_one_object_each(capsys) -> None:
    with logging_to(OutputSettings(log_format=LogFormat.JSON), Redactor()) as logs:
        log.info("two\nlines")
        logs.fail(("streamer: it broke", "  what to do: mend it"))

    first, second = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert (first["level"], first["logger"], first["message"]) == ("info", "streamer.test", "two\nlines")  # fmt: skip
    assert (second["level"], second["message"].splitlines()[0]) == ("error", "streamer: it broke")


def test_json_lines_hold_the_facts_and_only_who_asks_sees_every_batch(capsys) -> None:
    batch = Line("batch 1", {"batch": 1, "seconds": 0.2, "level": "none"}, routine=True)
    for verbosity in (0, 1):
        with logging_to(OutputSettings(log_format=LogFormat.JSON, verbosity=verbosity), Redactor()):
            log_line(batch)

    (line,) = capsys.readouterr().err.splitlines()
    told = json.loads(line)
    assert (told["batch"], told["seconds"], told["level"]) == (1, 0.2, "debug")


@pytest.mark.parametrize(
    ("verbosity", "shown"),
    [(-1, ["error"]), (0, ["info", "error"]), (1, ["debug", "info", "error"])],
)
def test_verbosity_says_what_is_shown(capsys, verbosity: int, shown: list[str]) -> None:
    with logging_to(OutputSettings(verbosity=verbosity), Redactor()):
        log.debug("x")
        log.info("x")
        log.error("x")

    assert [line.split()[1] for line in capsys.readouterr().err.splitlines()] == shown


@pytest.mark.parametrize(
    ("verbosity", "shown"), [(-1, []), (0, ["in short"]), (1, ["one", "in short"])]
)
def test_details_are_in_the_file_and_on_stderr_only_when_asked_for(
    tmp_path: Path, capsys, verbosity: int, shown: list[str]
) -> None:
    path = tmp_path / "run.log"

    with logging_to(OutputSettings(log_file=path, verbosity=verbosity), Redactor()):
        log.warning("one", extra=IN_DETAIL)
        log.warning("in short")

    lines = capsys.readouterr().err.splitlines()
    assert [line.split(" ", 2)[2] for line in lines] == shown
    assert [line.split(" ", 2)[2] for line in path.read_text().splitlines()] == ["one", "in short"]


def test_the_file_is_for_its_owner_alone_and_holds_no_secret(tmp_path: Path) -> None:
    path = tmp_path / "run.log"

    with logging_to(OutputSettings(log_file=path, verbosity=-1), Redactor(["hunter2"])) as logs:
        log.info("the password is hunter2")
        logs.fail(("streamer: it broke",))

    assert path.stat().st_mode & 0o777 == 0o600
    assert [line.split(" ", 1)[1] for line in path.read_text().splitlines()] == [
        "info the password is ***",
        "error streamer: it broke",
    ]


def test_an_exception_is_logged_by_its_type_alone(capsys) -> None:
    with logging_to(OutputSettings(), Redactor()):
        log.error("it broke", exc_info=ValueError("a row's value"))

    err = capsys.readouterr().err
    assert "it broke (ValueError)" in err
    assert "a row's value" not in err


def test_a_log_file_that_is_a_link_is_refused(tmp_path: Path) -> None:
    link = tmp_path / "run.log"
    link.symlink_to(tmp_path / "elsewhere")

    with pytest.raises(SettingsError, match="--log-file"), logging_to(OutputSettings(log_file=link), Redactor()):  # fmt: skip
        pass

    assert not (tmp_path / "elsewhere").exists()


def test_a_full_disk_ends_the_log_and_not_the_work(capsys) -> None:
    with logging_to(OutputSettings(log_file=Path("/dev/full")), Redactor()):
        log.info("goes on")

    assert "goes on" in capsys.readouterr().err


def test_a_display_may_take_over_the_lines(capsys) -> None:
    said: list[str] = []
    with logging_to(OutputSettings(), Redactor()) as logs:
        with logs.shown_by(said.append):
            log.info("on the display")
        log.info("on stderr")

    assert len(said) == 1
    assert said[0].endswith("info on the display")
    assert capsys.readouterr().err.endswith("info on stderr\n")


def test_logging_is_left_as_it_was_found() -> None:
    root = logging.getLogger()
    before = (root.level, list(root.handlers), logging.raiseExceptions)

    with logging_to(OutputSettings(verbosity=2), Redactor()):
        pass

    assert (root.level, list(root.handlers), logging.raiseExceptions) == before


def test_the_log_of_a_step_lies_in_its_folder_and_no_other_path_is_offered(tmp_path: Path) -> None:
    (tmp_path / "import.log").mkdir()

    with logging_to(OutputSettings(), Redactor()) as logs, pytest.raises(SettingsError) as caught:
        logs.also_in(tmp_path / "import.log")

    (problem,) = caught.value.problems
    assert problem.startswith(f"the step's log: {tmp_path}/import.log can't be opened (Is a dir")
    assert problem.endswith(
        "; move away what has that name, or make its folder writable for yourself"
    )


def test_a_name_moves_no_cursor_in_a_line_or_an_error(capsys) -> None:
    for kind in LogFormat:
        with logging_to(OutputSettings(log_format=kind), Redactor()) as logs:
            log.info("reading rows of %s", "public.\x1b[2Jred\r")
            logs.fail(("streamer: public.\x1b[2Jred: already there", "  what to do: \x9b1m\x07"))

    shown = capsys.readouterr().err
    assert [c for c in shown if not (c.isprintable() or c == "\n")] == []
    assert "reading rows of public.\\x1b[2Jred\\r\n" in shown
    assert "streamer: public.\\x1b[2Jred: already there\n  what to do: \\x9b1m\\x07\n" in shown
