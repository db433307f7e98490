"""The count that processes share: never more than allowed, over crashes, restarts and clock jumps."""

import multiprocessing
import random
import stat
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamer.d1.window_file import (
    LEASE_S,
    Grant,
    Moment,
    Report,
    WindowFile,
    WindowFileError,
    state_directory,
    token_key,
)

START = Moment(5_000.0, 1_700_000_000.0)
BLOCK = 3


@dataclass
class Process:
    """What one process knows: its lease, and what it sent of it and hasn't reported."""

    file: WindowFile
    grant: Grant | None = None
    unused: int = 0
    happened: list[Moment] = field(default_factory=list)

    def send(self, now: Moment, seconds: float) -> bool:
        """Send one if that is allowed now."""
        if not self.unused or self.grant.until.monotonic <= now.monotonic:
            outcome = self.file.exchange(now, seconds, self.report(), BLOCK)
            if not isinstance(outcome, Grant):
                assert outcome > 0
                return False
            self.grant, self.unused = outcome, outcome.sends
        self.unused -= 1
        self.happened.append(now)
        return True

    def report(self) -> list[Report]:
        if self.grant is None:
            return []
        report = Report(self.grant.lease, tuple(self.happened), 0)
        self.grant, self.unused, self.happened = None, 0, []
        return [report]


def opened(directory, requests: int) -> WindowFile:
    """The file without its waits for the disk: no machine dies here, only processes."""
    file = WindowFile.open(directory, "k", requests)
    file._connection.execute("PRAGMA synchronous = OFF")
    return file


def assert_within(sends: list[float], requests: int, seconds: float) -> None:
    for early, late in zip(sends, sends[requests:], strict=False):
        assert late - early >= seconds - 1e-6, (early, late)


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    requests=st.integers(1, 12),
    processes=st.integers(1, 3),
)
def test_processes_that_crash_close_and_come_back_never_exceed_the_limit(
    tmp_path_factory, seed, requests, processes
) -> None:
    dice = random.Random(seed)
    directory = tmp_path_factory.mktemp("state")
    group = [Process(opened(directory, requests)) for _ in range(processes)]
    now, sends = START, []

    for _ in range(100):
        now = now.plus(dice.choice([0.0, 0.01, 0.5, 3.0, 11.0]))
        number = dice.randrange(processes)
        process = group[number]
        fate = dice.random()
        if fate < 0.1:  # kill -9: what it sent was never written down
            process.file.close()
            group[number] = Process(opened(directory, requests))
        elif fate < 0.2:
            process.file.exchange(now, 30.0, process.report(), 0)
        elif process.send(now, 30.0):
            sends.append(now.monotonic)

    for process in group:
        process.file.close()
    assert sends
    assert_within(sends, requests, 30.0)


def drain(process: Process, now: Moment, seconds: float) -> int:
    """Send at one moment as many as are allowed."""
    count = 0
    while process.send(now, seconds):
        count += 1
    return count


@pytest.fixture
def process(tmp_path):
    opened = Process(WindowFile.open(tmp_path, "k", 10))
    yield opened
    opened.file.close()


@pytest.mark.parametrize("jump", [86_400.0, -86_400.0, 3_600.0, -1.0])
def test_fault_25_a_jump_of_the_wall_clock_neither_bursts_nor_blocks_for_long(
    process, jump
) -> None:
    assert drain(process, START, 300.0) == 10

    jumped = Moment(START.monotonic + 1, START.wall + 1 + jump)
    assert drain(process, jumped, 300.0) == 0

    later = Moment(jumped.monotonic + 300 + LEASE_S, jumped.wall + 300 + LEASE_S)
    assert drain(process, later, 300.0) == 10


def test_a_restart_of_the_machine_counts_what_was_sent_before_it(process) -> None:
    drain(process, START, 300.0)

    rebooted = Moment(12.0, START.wall + 40)
    assert drain(process, rebooted, 300.0) == 0

    assert drain(process, rebooted.plus(300 + LEASE_S), 300.0) == 10


def test_another_machine_that_runs_for_longer_counts_what_was_sent_by_the_first(process) -> None:
    drain(process, START, 300.0)

    moved = Moment(START.monotonic + 1e6, START.wall + 20)
    assert drain(process, moved, 300.0) == 0

    assert drain(process, moved.plus(300 + LEASE_S), 300.0) == 10


def test_a_dead_process_leaves_its_lease_counted_until_its_end_and_a_window(
    process, tmp_path
) -> None:
    process.send(START, 300.0)
    process.file.close()  # 1 sent, 2 leased, nothing reported

    heir = Process(WindowFile.open(tmp_path, "k", 10))
    assert drain(heir, START.plus(1), 300.0) == 7
    assert drain(heir, START.plus(300.5), 300.0) == 0
    assert drain(heir, START.plus(310.5), 300.0) == 10
    heir.file.close()
    process.file = WindowFile.open(tmp_path, "k", 10)


def test_what_a_lease_did_not_use_comes_back_when_it_is_reported(process) -> None:
    process.send(START, 300.0)

    process.file.exchange(START, 300.0, process.report(), 0)

    assert drain(process, START, 300.0) == 9


def test_a_request_under_way_for_long_still_counts(process) -> None:
    granted = process.file.exchange(START, 5.0, [], 10)
    late = START.plus(60.0)

    process.file.exchange(late, 5.0, [Report(granted.lease, (), 10)], 0)

    wait = process.file.exchange(late, 5.0, [], 1)
    assert wait == pytest.approx(5.0)


def test_tokens_are_counted_apart(process, tmp_path) -> None:
    drain(process, START, 300.0)
    other = Process(WindowFile.open(tmp_path, "another", 10))

    assert drain(other, START, 300.0) == 10
    other.file.close()


def test_what_no_window_reaches_any_more_is_forgotten(process) -> None:
    for window in range(5):
        drain(process, START.plus(window * 400.0), 300.0)

    process.file.exchange(START.plus(3000.0), 300.0, process.report(), 0)
    rows = process.file._connection.execute(
        "SELECT (SELECT count(*) FROM sent) + (SELECT count(*) FROM lease)"
    )

    assert rows.fetchone()[0] <= 10


def hammer(directory, results) -> None:
    file = WindowFile.open(directory, "k", 40)
    got = 0
    for _ in range(30):
        outcome = file.exchange(START, 300.0, [], 2)
        got += outcome.sends if isinstance(outcome, Grant) else 0
    file.close()
    results.put(got)


@pytest.mark.processes
def test_real_processes_together_lease_exactly_what_is_allowed(tmp_path) -> None:
    context = multiprocessing.get_context("spawn")
    results = context.Queue()
    workers = [context.Process(target=hammer, args=(tmp_path, results)) for _ in range(2)]

    for worker in workers:
        worker.start()
    total = sum(results.get(timeout=60) for _ in workers)
    for worker in workers:
        worker.join(60)

    assert total == 40


def test_the_file_and_its_directory_are_the_users_alone(tmp_path) -> None:
    directory = tmp_path / "deep" / "state"

    WindowFile.open(directory, "k", 1).close()

    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    assert stat.S_IMODE((directory / "windows.db").stat().st_mode) == 0o600


def test_a_link_in_the_files_place_is_not_followed(tmp_path) -> None:
    (tmp_path / "windows.db").symlink_to(tmp_path / "elsewhere")

    with pytest.raises(WindowFileError):
        WindowFile.open(tmp_path, "k", 1)
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.parametrize(
    "content", [b"not a database at all" * 100, b"SQLite format 3\0" + b"x" * 90]
)
def test_a_file_that_is_something_else_is_refused(tmp_path, content) -> None:
    (tmp_path / "windows.db").write_bytes(content)

    with pytest.raises(WindowFileError, match=r"windows\.db"):
        WindowFile.open(tmp_path, "k", 1)


def test_a_file_of_a_newer_format_is_refused(tmp_path) -> None:
    file = WindowFile.open(tmp_path, "k", 1)
    file._connection.execute("PRAGMA user_version = 99")
    file.close()

    with pytest.raises(WindowFileError, match="format 99"):
        WindowFile.open(tmp_path, "k", 1)


def test_a_directory_that_cannot_be_made_is_an_error_of_ours(tmp_path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(WindowFileError):
        WindowFile.open(tmp_path / "file" / "state", "k", 1)


def test_the_state_directory_follows_xdg_where_it_is_absolute(tmp_path) -> None:
    assert state_directory({"XDG_STATE_HOME": str(tmp_path)}) == tmp_path / "streamer"
    assert state_directory({"XDG_STATE_HOME": "relative"}).parts[-3:] == (
        ".local",
        "state",
        "streamer",
    )


def test_a_key_tells_tokens_apart_and_no_token() -> None:
    assert token_key("canary") != token_key("canarz")
    assert token_key("canary") != token_key("canary", "127.0.0.1:1")
    assert "canary" not in token_key("canary")
