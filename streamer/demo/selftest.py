"""The pipeline tried on sample data, step by step, as a user types it; and a report of how it went."""

from __future__ import annotations

import shlex
import shutil
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import field
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from typing import cast

import orjson

from streamer.demo.postgres import SUPERUSER, Postgres, postgres, programs, temporary_place
from streamer.demo.processes import Children, signals_end_us, tail
from streamer.demo.shop import DATABASE, SMALL, make_shop
from streamer.demo.story import POLL_S, clean_environment, streamer_command
from streamer.errors import ExitCode, UsageError
from streamer.frozen import frozen
from streamer.progress import Status, utc, write_report
from streamer.version import VERSION

FORMAT_VERSION = 1
EXPORTED, TRANSFORMED = "migration_data", "d1_migration_data"
TARGET = "sqlite:selftest.db"


@frozen
class Step:
    """One command of the pipeline, and what it shows where it ends well."""

    name: str
    arguments: tuple[str, ...]


STEPS = (
    Step("test the connection", ("export", "--dry-run")),
    Step("export, and read the files again", ("export", "--validate")),
    Step("transform, and try all constraints", ("transform", "--validate")),
    Step("SQL files for wrangler", ("transform", "--format", "sql", "--output-dir", "sql")),
    Step("import, a dry run", ("import", "--dry-run")),
    Step("import into a file that obeys D1's rules", ("import", "--target", TARGET)),
    Step(
        "compare the files with both databases",
        (
            *("validate", "--detailed", "--export-dir", EXPORTED, "--transformed-dir", TRANSFORMED),
            *("--target", TARGET),
        ),
    ),
    Step("compare every row", ("validate", "--full", "--target", TARGET)),
    Step("take it back", ("rollback", "--yes", "--target", TARGET)),
)


@frozen
class Outcome:
    """How a step ended; `exit_code` is None where it wasn't begun, since one before it failed."""

    step: Step
    exit_code: int | None = None
    seconds: float = 0.0
    said: str = ""

    def to_json(self) -> dict[str, object]:
        """As the report has it."""
        return {
            "name": self.step.name,
            "command": shlex.join(["streamer", *self.step.arguments]),
            "exit_code": self.exit_code,
            "seconds": round(self.seconds, 3),
        }


@frozen
class Selftest:
    """One trial in `folder`, which it makes; the report goes to `report`, which stays in any case.

    With `cleanup` the folder is removed at the end. `say` is told each line.
    """

    folder: Path
    report: Path
    cleanup: bool
    say: Callable[[str], None]
    started_at: datetime = field(default_factory=lambda: datetime.now(UTC))

    def carry_out(self) -> ExitCode:
        """Try every step; the first that fails ends it.

        Raises:
            UsageError: the folder is in use.
            StreamerError: there is no PostgreSQL for it, or the report can't be written.
            KeyboardInterrupt: a signal ended it; PostgreSQL and what was started have ended too.

        """
        programs()  # before anything is made
        self._make_folder()
        place = tempfile.TemporaryDirectory(prefix="streamer-selftest-", dir=temporary_place())
        try:
            with signals_end_us(), place as name:
                home, children = Path(name), Children()
                home.chmod(0o711)  # PostgreSQL runs as another account where we are root
                with postgres(home, children) as server:
                    make_shop(server, SMALL)
                    self.say("sample data: a shop in a PostgreSQL of its own")
                    outcomes = list(self._steps(home, server, children))
            code = ExitCode.DONE if not _errors(outcomes) else ExitCode.FAILED
            write_report(self.report, self._document(outcomes, code))
        finally:
            if self.cleanup:
                shutil.rmtree(self.folder, ignore_errors=True)
        self.say(f"{'passed' if code is ExitCode.DONE else 'FAILED'}; the report is {self.report}")
        return code

    def _make_folder(self) -> None:
        if self.folder.exists() and (not self.folder.is_dir() or any(self.folder.iterdir())):
            raise UsageError(
                f"{self.folder} is there already, and isn't an empty folder.",
                hint="Remove it, or name another one with --output-dir.",
            )
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise UsageError(f"{self.folder} can't be made: {error.strerror}.") from None

    def _steps(self, home: Path, server: Postgres, children: Children) -> Iterator[Outcome]:
        environment = clean_environment(home) | {
            "POSTGRES_HOST": str(server.socket_folder),
            "POSTGRES_DB": DATABASE,
            "POSTGRES_USER": SUPERUSER,
        }
        failed = False
        for number, step in enumerate(STEPS, 1):
            if failed:
                yield Outcome(step)
                continue
            outcome = self._one(step, home / f"step-{number}.log", children, environment)
            failed = outcome.exit_code != ExitCode.DONE
            self.say(
                f"{number}. {'FAILED' if failed else 'ok':<6} {step.name}:"
                f" streamer {shlex.join(step.arguments)} ({outcome.seconds:.1f} s)"
            )
            if failed:
                self.say(f"   exit code {outcome.exit_code}: {outcome.said}")
            yield outcome

    def _one(
        self, step: Step, log: Path, children: Children, environment: Mapping[str, str]
    ) -> Outcome:
        started = time.monotonic()
        with children.started(
            streamer_command(*step.arguments),
            log=log,
            cwd=self.folder,
            environment=environment,
        ) as process:
            while process.poll() is None:
                time.sleep(POLL_S)
        seconds = time.monotonic() - started
        return Outcome(step, process.returncode, seconds, tail(log))

    def _document(self, outcomes: Sequence[Outcome], code: ExitCode) -> dict[str, object]:
        exported = _read(self.folder / EXPORTED / "export_report.json")
        imported = _read(self.folder / TRANSFORMED / "import_report.json")
        return {
            "format_version": FORMAT_VERSION,
            "tool_version": VERSION,
            "command": "selftest",
            "run_id": uuid.uuid4().hex,
            "status": Status.of(code).value,
            "started_at": utc(self.started_at),
            "ended_at": utc(datetime.now(UTC)),
            "source": exported.get("source", {}),
            "target": imported.get("target", {}),
            "steps": [outcome.to_json() for outcome in outcomes],
            "tables": imported.get("tables", []),
            "rows_skipped": imported.get("rows_skipped", 0),
            "totals": imported.get("totals", {}),
            "warnings": imported.get("warnings", []),
            "errors": _errors(outcomes),
        }


def _errors(outcomes: Sequence[Outcome]) -> list[str]:
    return [
        f"{outcome.step.name}: exit code {outcome.exit_code}: {outcome.said}"
        for outcome in outcomes
        if outcome.exit_code not in {ExitCode.DONE, None}
    ]


def _read(path: Path) -> dict[str, object]:
    """A step's report; empty where it left none."""
    try:
        return cast("dict[str, object]", orjson.loads(path.read_bytes()))
    except (OSError, orjson.JSONDecodeError):
        return {}


def schema() -> dict[str, object]:
    """The JSON Schema of the report, as the package ships it."""
    text = files("streamer.demo").joinpath("selftest_report.schema.json").read_bytes()
    return cast("dict[str, object]", orjson.loads(text))
