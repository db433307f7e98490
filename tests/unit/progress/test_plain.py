import fcntl
import io
import os
import pty
import struct
import termios

import pytest

from streamer.progress import Events, Reporter, Style, style_for


class Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


class FullDisk(io.StringIO):
    def write(self, _text: str) -> int:
        raise OSError(28, "No space left on device")


def a_run() -> Events:
    events = Events(lambda: 5.0)
    events.table_started("public.a", 10)
    events.concurrency(2)
    return events


def test_only_a_terminal_that_can_move_its_cursor_is_drawn_on() -> None:
    assert style_for(Terminal(), {"TERM": "xterm"}) is Style.DRAWN
    assert style_for(Terminal(), {"TERM": "dumb"}) is Style.LINES
    assert style_for(io.StringIO(), {"TERM": "xterm"}) is Style.LINES


def test_a_pipe_gets_whole_lines_without_control_characters() -> None:
    pipe = io.StringIO()
    reporter = Reporter(pipe, Style.LINES, {})

    reporter.say("public.a: started")
    reporter.show(a_run().view())
    reporter.close()

    lines = pipe.getvalue().splitlines()
    assert len(lines) == 2
    assert all(text.isprintable() for text in lines)
    assert pipe.getvalue().endswith("\n")


def test_a_terminal_s_view_is_drawn_over_the_one_before() -> None:
    terminal = Terminal()
    reporter = Reporter(terminal, Style.DRAWN, {"NO_COLOR": "1"})

    reporter.show(a_run().view())
    height = terminal.getvalue().count("\n")
    reporter.show(a_run().view())

    assert f"\x1b[{height}A\r\x1b[J" in terminal.getvalue()


def test_a_line_that_is_said_stands_above_the_drawing_and_stays() -> None:
    terminal = Terminal()
    reporter = Reporter(terminal, Style.DRAWN, {"NO_COLOR": "1"})

    reporter.show(a_run().view())
    reporter.say("warning: look")
    reporter.close()

    assert "\x1b[Jwarning: look\n" in terminal.getvalue()
    assert terminal.getvalue().endswith("warning: look\n")


def test_nothing_is_drawn_while_somebody_is_asked_something() -> None:
    terminal = Terminal()
    reporter = Reporter(terminal, Style.DRAWN, {"NO_COLOR": "1"})
    reporter.show(a_run().view())

    with reporter.hidden():
        before = terminal.getvalue()
        reporter.show(a_run().view())
        meanwhile = terminal.getvalue()
    reporter.show(a_run().view())

    assert before.endswith("\x1b[J")
    assert meanwhile == before
    assert len(terminal.getvalue()) > len(before)


@pytest.mark.parametrize(("environment", "bold"), [({}, True), ({"NO_COLOR": "1"}, False)])
def test_no_color_is_obeyed(environment: dict[str, str], bold: bool) -> None:  # noqa: FBT001 -- a parameter of the test
    terminal = Terminal()

    Reporter(terminal, Style.DRAWN, environment).show(a_run().view())

    assert ("\x1b[1m" in terminal.getvalue()) is bold


def test_silence_is_silent() -> None:
    stream = io.StringIO()
    reporter = Reporter(stream, Style.NONE, {})

    reporter.say("a")
    reporter.show(a_run().view())
    reporter.close()

    assert stream.getvalue() == ""


def test_a_stream_that_breaks_ends_the_showing_and_not_the_run() -> None:
    reporter = Reporter(FullDisk(), Style.LINES, {})

    reporter.say("a")
    reporter.show(a_run().view())


def test_a_closed_stream_ends_the_showing_and_not_the_run() -> None:
    stream = io.StringIO()
    reporter = Reporter(stream, Style.LINES, {})
    stream.close()

    reporter.say("a")


def test_what_an_encoding_lacks_is_written_as_an_escape() -> None:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="ascii")

    Reporter(stream, Style.LINES, {}).say("größe: done")

    assert raw.getvalue() == b"gr\\xf6\\xdfe: done\n"


async def test_showing_goes_on_in_the_style_s_own_pace() -> None:
    stream = io.StringIO()
    reporter = Reporter(stream, Style.LINES, {})
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == 3:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        await reporter.keep_showing(a_run().view, sleep)

    assert slept == [10.0, 10.0, 10.0]
    assert len(stream.getvalue().splitlines()) == 2


def test_the_width_is_that_of_the_terminal_that_is_drawn_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("4H", 10, 40, 0, 0))

    with os.fdopen(theirs, "w") as stream:
        Reporter(stream, Style.DRAWN, {"NO_COLOR": "1"}).show(a_run().view())
        shown = os.read(ours, 65536).decode()
    os.close(ours)

    assert max(len(line) for line in shown.splitlines()) == 39


def test_a_terminal_that_became_narrower_is_cleared_of_all_that_it_broke(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    ours, theirs = pty.openpty()
    wide, narrow = (struct.pack("4H", 10, columns, 0, 0) for columns in (80, 20))

    with os.fdopen(theirs, "w") as stream:
        reporter = Reporter(stream, Style.DRAWN, {"NO_COLOR": "1"})
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, wide)
        reporter.show(a_run().view())
        lengths = [len(line) for line in os.read(ours, 65536).decode().splitlines()]
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, narrow)
        reporter.show(a_run().view())
        shown = os.read(ours, 65536).decode()
    os.close(ours)

    assert f"\x1b[{sum(-(-length // 20) for length in lengths)}A" in shown
