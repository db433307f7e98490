import os
import signal
import sys
from pathlib import Path

import pytest

from streamer.demo.processes import Children, signals_end_us, tail

STUBBORN = (
    "import signal\n"
    "signal.signal(signal.SIGINT, signal.SIG_IGN)\n"
    "print('ready', flush=True)\n"
    "signal.pause()"
)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_every_signal_ends_us_as_an_interrupt_and_a_second_one_disturbs_nothing(
    number: signal.Signals,
) -> None:
    before = signal.getsignal(number)
    cleaned: list[str] = []

    def story() -> None:
        with signals_end_us():
            try:
                os.kill(os.getpid(), number)
            finally:
                os.kill(os.getpid(), number)
                cleaned.append("all")

    with pytest.raises(KeyboardInterrupt):
        story()

    assert cleaned == ["all"]
    assert signal.getsignal(number) == before


def test_what_was_started_ends_with_the_block_even_where_it_fails(tmp_path: Path) -> None:
    children = Children()
    command = [sys.executable, "-c", "import signal; signal.pause()"]

    with (
        pytest.raises(InterruptedError),
        children.started(command, log=tmp_path / "log", cwd=tmp_path, environment={}) as process,
    ):
        raise InterruptedError

    assert process.returncode is not None
    assert children.running == ()


@pytest.mark.processes
def test_a_process_that_does_not_listen_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streamer.demo.processes.STOP_TIMEOUT_S", 0.1)
    log = tmp_path / "log"
    command = [sys.executable, "-c", STUBBORN]

    with Children().started(command, log=log, cwd=tmp_path, environment={}) as process:
        while not log.read_text():
            os.sched_yield()

    assert process.returncode == -signal.SIGKILL


def test_the_last_lines_of_a_log_are_one_line(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("one\ntwo\nthree\nfour\n")

    assert tail(log) == "two / three / four"
    assert tail(tmp_path / "none") == "it left no log"
