"""`python -m streamer`, and the command `streamer`."""

from typing import NoReturn

from streamer.cli import main
from streamer.cli.leaving import leave


def command() -> NoReturn:
    """Do what the command line says, and end the process with its exit code."""
    leave(main())


if __name__ == "__main__":
    command()
