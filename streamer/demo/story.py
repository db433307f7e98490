"""What the demo does, in order, and what it says about it."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import checkpoints
from streamer.demo.compare import Compared, compare_all, tables_of
from streamer.demo.postgres import SUPERUSER, Postgres, postgres, programs, temporary_place
from streamer.demo.processes import Children, signals_end_us, tail
from streamer.demo.shop import DATABASE, make_shop
from streamer.demo.target import Target
from streamer.errors import StreamerError
from streamer.frozen import frozen
from streamer.model import Secret
from streamer.progress.wording import cost_of

LATENCY_MS = 200  # of each answer of the local D1: a distant one, so that there is a middle
KILL_AT = 0.35  # of the rows, as the checkpoint has them
POLL_S = 0.02
START_TIMEOUT_S = 30.0
OURS = ("POSTGRES_", "PG", "CLOUDFLARE_", "D1_", "STREAMER_")  # settings of the user's real work
ACCOUNT_VARIABLE, DATABASE_VARIABLE = "CLOUDFLARE_ACCOUNT_ID", "D1_DATABASE_ID"
URL_VARIABLE, TOKEN_VARIABLE = "CLOUDFLARE_API_BASE_URL", "CLOUDFLARE_API_TOKEN"

Say = Callable[[str], None]


@frozen
class Stage:
    """Where the story takes place: its folder, the environment of `streamer`, and who runs."""

    folder: Path
    environment: Mapping[str, str]
    children: Children
    say: Say

    @property
    def checkpoint(self) -> Path:
        """The run's checkpoint."""
        return self.folder / "streamer.checkpoint.db"

    def tell(self, text: str) -> None:
        """Say `text`, indented as output of a program."""
        for line in text.splitlines():
            self.say(f"     {line}".rstrip())


def streamer_command(*arguments: str) -> list[str]:
    """`streamer` as a process of its own."""
    return [sys.executable, "-m", "streamer", *arguments]


def tell_story(say: Say) -> bool:
    """Play the whole story, a line to `say` at a time; True where both sides are equal at the end.

    Everything is in a temporary folder and in processes that end with the story.

    Raises:
        StreamerError: a part of it couldn't be played.
        KeyboardInterrupt: a signal ended it; all is cleaned up.

    """
    programs()  # before anything is promised
    place = tempfile.TemporaryDirectory(prefix="streamer-demo-", dir=temporary_place())
    with signals_end_us(), place as name:
        folder = Path(name)
        folder.chmod(0o711)  # PostgreSQL runs as another account where we are root
        children = Children()
        say(
            "Streamer moves PostgreSQL tables into Cloudflare D1. This demo shows it on this machine"
        )
        say(
            "alone: a sample database, a local D1, a run that is killed, its resumption, and proof."
        )
        say("")
        with _source(folder, children, say) as server, _target(folder, children, say) as told:
            stage = Stage(folder, _environment(folder, server, told), children, say)
            return _play(stage, server, _api(told))


def _play(stage: Stage, server: Postgres, target: Target) -> bool:
    say = stage.say
    say("")
    say("3. streamer plan    (touches nothing)")
    _show_plan(stage)
    say("")
    say("4. streamer run    (and kill -9 in the middle: no goodbye, no chance to tidy up)")
    saved = _run_until_killed(stage)
    _say_what_is_there(stage, target, saved)
    say("")
    say("5. streamer run --resume    (goes on behind the last row that is known to be in D1)")
    _finished(stage, "run", "--resume", "--progress", "plain", show=True)
    say("")
    say("6. Every row of both databases, compared value by value and type by type,")
    say("   read with psql and plain HTTP: not with the code that moved them")
    results: list[Compared] = []
    for result in compare_all(lambda sql: server.rows(DATABASE, sql), target):
        stage.tell(_verdict(result))
        results.append(result)
    say("")
    _sum_up(stage, results)
    return all(result.equal for result in results)


@contextmanager
def _source(folder: Path, children: Children, say: Say) -> Generator[Postgres]:
    started = time.monotonic()
    home = folder / "pg"
    home.mkdir()
    home.chmod(0o711)  # whatever the umask is
    with postgres(home, children) as server:
        make_shop(server)
        tables = len(tables_of(lambda sql: server.rows(DATABASE, sql)))
        count = "SELECT sum(reltuples)::bigint FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
        version = server.psql(DATABASE, "SHOW server_version").split()[0]
        rows = int(server.psql(DATABASE, count).strip())  # exact: ANALYZE reads small tables whole
        say(
            f"1. PostgreSQL {version} with a sample shop: {tables} tables, {rows:,} rows"
            f" ({time.monotonic() - started:.1f} s)"
        )
        yield server


@contextmanager
def _target(folder: Path, children: Children, say: Say) -> Generator[Mapping[str, str]]:
    """A local D1 in a process of its own; the environment that it tells its clients to use."""
    log = folder / "serve-d1.log"
    arguments = ["--dir", str(folder / "d1"), "--create", DATABASE]
    command = streamer_command("serve-d1", *arguments)
    command += ["--latency-ms", str(LATENCY_MS)]
    with children.started(
        command, log=log, cwd=folder, environment=clean_environment(folder)
    ) as process:
        told = _told(process, log)
        say(
            f"2. A local D1 at {told[URL_VARIABLE]}: Cloudflare's API over SQLite,"
            f" with D1's limits\n   and {LATENCY_MS} ms for each answer, as if it were far away"
        )
        yield told


def _told(process: subprocess.Popen[bytes], log: Path) -> dict[str, str]:
    """The variables that the local D1 prints once it serves."""
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline and process.poll() is None:
        words = [shlex.split(line) for line in log.read_text().splitlines()]
        pairs = [word[1].partition("=") for word in words if word[:1] == ["export"]]
        told = {name: value for name, _, value in pairs}
        if {URL_VARIABLE, TOKEN_VARIABLE, ACCOUNT_VARIABLE, DATABASE_VARIABLE} <= told.keys():
            return told
        time.sleep(POLL_S)
    raise StreamerError(f"The local D1 didn't start: {tail(log)}")


def _api(told: Mapping[str, str]) -> Target:
    return Target(
        told[URL_VARIABLE],
        told[ACCOUNT_VARIABLE],
        Secret(told[TOKEN_VARIABLE]),
        told[DATABASE_VARIABLE],
    )


def clean_environment(folder: Path) -> dict[str, str]:
    """Ours, without any setting that could lead to a real database."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
    package = str(Path(__file__).resolve().parents[2])
    path = os.pathsep.join(filter(None, (package, kept.get("PYTHONPATH", ""))))
    return kept | {
        "HOME": str(folder),
        "XDG_STATE_HOME": str(folder / "state"),
        "PYTHONPATH": path,
        "PYTHONUNBUFFERED": "1",
    }


def _environment(folder: Path, server: Postgres, told: Mapping[str, str]) -> dict[str, str]:
    source = {
        "POSTGRES_HOST": str(server.socket_folder),
        "POSTGRES_DB": DATABASE,
        "POSTGRES_USER": SUPERUSER,
    }
    return clean_environment(folder) | source | dict(told)


def _show_plan(stage: Stage) -> None:
    """Run `streamer plan` and say the gist of it."""
    plan = json.loads(_finished(stage, "plan", "--json"))
    for table in plan["tables"]:
        key = " + ".join(table["key"]["columns"]) or "none: rows are told apart by their place"
        stage.tell(f"{table['name']:<19} about {table['rows']:>7,} rows, key {key}")
    estimate = plan["estimate"]
    stage.tell(
        f"about {estimate['requests']:,} requests, {estimate['rows_written']:,} rows written"
        " with index entries;"
    )
    for line in cost_of(estimate["rows_written"], estimate["size_bytes"]):
        stage.tell(f"  {line}")


def _finished(stage: Stage, *arguments: str, show: bool = False) -> str:
    """What `streamer` says with these arguments, once it has ended well; `show`: as it comes."""
    log = stage.folder / f"{arguments[0]}.log"
    errors = stage.folder / f"{arguments[0]}-errors.log"
    with stage.children.started(
        streamer_command(*arguments),
        log=log,
        errors=None if show else errors,
        cwd=stage.folder,
        environment=stage.environment,
    ) as process:
        shown = Shown(stage, log) if show else None
        while process.poll() is None:
            if shown is not None:
                shown.more()
            time.sleep(POLL_S)
        if shown is not None:
            shown.more()
    if process.returncode != 0:
        said = tail(log if show else errors)
        raise StreamerError(
            f"streamer {arguments[0]} ended with exit code {process.returncode}: {said}"
        )
    return log.read_text(encoding="utf-8", errors="replace")


class Shown:
    """A growing log, of which everything so far has been told. It remembers where that ends."""

    def __init__(self, stage: Stage, log: Path) -> None:
        self._stage = stage
        self._log = log
        self._end = 0

    def more(self) -> None:
        """Tell the whole lines that have come since."""
        with self._log.open("rb") as file:
            file.seek(self._end)
            whole, line_end, _ = file.read().rpartition(b"\n")
        self._end += len(whole) + len(line_end)
        self._stage.tell(whole.decode("utf-8", "replace"))


def _run_until_killed(stage: Stage) -> checkpoints.Saved:
    """Start a run, kill it when the checkpoint says it is in the middle; what that holds then."""
    log = stage.folder / "killed-run.log"
    shown = Shown(stage, log)
    with stage.children.started(
        streamer_command("run", "--progress", "plain"),
        log=log,
        cwd=stage.folder,
        environment=stage.environment,
    ) as process:
        while process.poll() is None:
            shown.more()
            saved = checkpoints.peek(stage.checkpoint)
            if saved is not None and _share(saved.steps) >= KILL_AT:
                process.send_signal(signal.SIGKILL)
                process.wait()
                break
            time.sleep(POLL_S)
        shown.more()
    saved = checkpoints.peek(stage.checkpoint)
    if process.returncode != -signal.SIGKILL or saved is None:
        raise StreamerError(f"The run ended before it could be killed: {tail(log)}")
    return saved


def _share(steps: Sequence[checkpoints.StepRecord]) -> float:
    """The share of the rows that the checkpoint has, by the plan's estimates."""
    estimates = [step.document.get("rows_estimate") for step in steps if step.kind == "rows"]
    expected = sum(number for number in estimates if isinstance(number, int | float))
    return _rows(steps) / expected if expected > 0 else 0.0


def _rows(steps: Sequence[checkpoints.StepRecord]) -> int:
    return sum(step.rows for step in steps if step.kind == "rows")


def _say_what_is_there(stage: Stage, target: Target, saved: checkpoints.Saved) -> None:
    """Compare the checkpoint of a killed run with what D1 holds."""
    stage.say("   Killed. What is left behind, by streamer status:")
    stage.tell(_finished(stage, "status"))
    targets = [str(step.document["target"]) for step in saved.steps if step.kind == "rows"]
    stored, known = target.count_rows(targets), _rows(saved.steps)
    stage.say(
        f"   D1 holds {stored:,} rows, the checkpoint knows of {known:,}. It may know less than"
    )
    stage.say("   there is (those rows are sent again and change nothing), but never more.")
    if known > stored:
        raise StreamerError("The checkpoint is ahead of the target: that must never happen.")


def _verdict(result: Compared) -> str:
    if result.equal:
        return f"{result.table:<12} {result.rows:>9,} rows  equal"
    return (
        f"{result.table:<12} {result.rows:>9,} rows  DIFFERENT:"
        f" {result.missing:,} missing or changed, {result.extra:,} extra or changed"
    )


def _sum_up(stage: Stage, results: Sequence[Compared]) -> None:
    """Say how it ended; the figures are those of the report, over both runs."""
    report = json.loads((stage.folder / "run_report.json").read_bytes())
    totals = report["totals"]
    rows, requests = totals["rows_written"], totals["requests"]
    different = [result.table for result in results if not result.equal]
    stage.say(
        f"{rows:,} rows, {requests:,} requests, {rows / max(requests, 1):,.0f} rows a request,"
        f" {totals['seconds']:.1f} seconds of work in two runs"
    )
    if different:
        stage.say(
            f"NOT equal: {', '.join(different)}. This is a fault of streamer, please report it."
        )
    else:
        stage.say(
            "No row lost, none doubled, none altered, although the run was killed on the way."
        )
