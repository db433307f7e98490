"""The options of `streamer serve-d1`."""

from pathlib import Path

import pytest

from streamer.cli import serve_d1
from streamer.cli.commands import COMMANDS
from streamer.cli.execute import parse
from streamer.errors import UsageError
from streamer.local_d1 import FaultKind
from streamer.local_d1.command import environment


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--port", "x"], "x is no port"),
        (["--port", "65536"], "65536 is no port"),
        (["--limit", "5"], "must be N/SECONDS"),
        (["--limit", "0/5"], "must be N/SECONDS"),
        (["--fault-rate", "1.5"], "between 0 and 1"),
        (["--faults", "lost,nope"], "nope: must be of overload"),
        (["--latency-ms", "-1"], "-1"),
    ],
)
def test_a_wrong_option_is_refused(arguments: list[str], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        parse(COMMANDS["serve-d1"], serve_d1, ["--dir", "d1", *arguments])


def test_options_are_read() -> None:
    text = "--dir d1 --port 8787 --limit 1200/300.5 --fault-rate 0.05 --faults lost,reset --seed 7"

    args = parse(COMMANDS["serve-d1"], serve_d1, text.split())

    assert (args.dir, args.port, args.limit) == (Path("d1"), 8787, (1200, 300.5))
    assert (args.fault_rate, args.seed) == (0.05, 7)
    assert args.faults == (FaultKind.LOST, FaultKind.RESET)


def test_the_environment_is_safe_for_a_shell() -> None:
    lines = environment("http://127.0.0.1:1/client/v4", "it's", ["a", "b"])

    assert lines[1:] == [
        """export CLOUDFLARE_API_TOKEN='it'"'"'s'\n""",
        "export CLOUDFLARE_ACCOUNT_ID=local\n",
        "export D1_DATABASE_ID=a\n",
    ]
