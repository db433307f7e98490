"""Which commands there are, what each does and needs; each one's code is loaded when it is used."""

from __future__ import annotations

from keyword import iskeyword

from streamer.cli.options import Options
from streamer.frozen import frozen


@frozen
class Command:
    """One command: its module in `streamer.cli`, and the settings that must be there for it.

    `interrupted` is the exit code after an interrupt from the keyboard.
    """

    name: str
    summary: str
    options: Options
    source: bool = False
    target: bool = False
    job: bool = True
    interrupted: int = 130

    @property
    def module(self) -> str:
        """The module with its `add_parser` and `run`."""
        name = self.name.replace("-", "_")
        return f"streamer.cli.{name}_" if iskeyword(name) else f"streamer.cli.{name}"


_PLANNING = Options.SETTINGS | Options.SELECTION | Options.SHAPE | Options.STORED

COMMANDS = {
    command.name: command
    for command in (
        Command("demo", "see it all on this machine, nothing to set up", Options.NONE, job=False),
        Command(
            "doctor",
            "check both ends: what works, what doesn't, what to do",
            Options.SETTINGS | Options.TARGET,
            source=True,
            target=True,
        ),
        Command(
            "plan",
            "show what a run would do and cost; touches nothing",
            _PLANNING,
            source=True,
        ),
        Command(
            "schema",
            "print the tables and indexes for D1 as SQL",
            _PLANNING,
            source=True,
        ),
        Command(
            "run",
            "move the tables; can be killed and resumed",
            _PLANNING | Options.TARGET | Options.MOVE,
            source=True,
            target=True,
            interrupted=75,
        ),
        Command(
            "validate",
            "prove that both sides hold the same rows; --repair makes it so",
            Options.SETTINGS
            | Options.SELECTION
            | Options.STORED
            | Options.TARGET
            | Options.COMPARE,
            source=True,
            target=True,
            interrupted=75,
        ),
        Command(
            "export",
            "write the tables into files; can be killed and resumed",
            Options.SETTINGS | Options.SELECTION | Options.STORED,
            source=True,
            interrupted=75,
        ),
        Command(
            "transform",
            "make the rows that D1 is to hold of exported files",
            Options.SETTINGS | Options.STORED,
            interrupted=75,
        ),
        Command(
            "import",
            "move transformed files into D1; can be killed and resumed",
            Options.SETTINGS | Options.TARGET | Options.MOVE,
            target=True,
            interrupted=75,
        ),
        Command(
            "rollback",
            "take back what a run wrote",
            Options.SETTINGS | Options.CHECKPOINT | Options.TARGET | Options.PROGRESS,
            target=True,
            interrupted=75,
        ),
        Command(
            "status",
            "show a run's progress, from its checkpoint alone",
            Options.SETTINGS | Options.CHECKPOINT,
        ),
        Command(
            "selftest", "try every step of the pipeline on sample data", Options.NONE, job=False
        ),
        Command(
            "tune",
            "try the target out: what to expect of it, and which settings to use",
            _PLANNING | Options.TARGET,
            source=True,
            target=True,
            interrupted=75,
        ),
        Command("report", "make one HTML page from a report", Options.NONE, job=False),
        Command(
            "completion",
            "print a script that completes commands in a shell",
            Options.NONE,
            job=False,
        ),
        Command("serve-d1", "serve a local D1 to try things with", Options.NONE, job=False),
    )
}

EPILOG = """\
a first run:
  export POSTGRES_DSN=postgresql://me:secret@db.example.com/shop
  export CLOUDFLARE_API_TOKEN=... CLOUDFLARE_ACCOUNT_ID=... D1_DATABASE_ID=shop
  streamer doctor
  streamer plan
  streamer run

`streamer COMMAND --help` tells more about each, with examples.

Exit codes: 0 done, 1 failed, 2 wrong usage or settings, 3 done but something was left out,
75 stopped and can be resumed.
"""
