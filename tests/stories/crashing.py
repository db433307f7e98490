"""The command with a fault of its own: a run ends with an error whose text holds secrets and a row."""

from __future__ import annotations

import os
import sys

from streamer import cli
from streamer.errors import ExitCode
from streamer.run.job import Job


async def _crash(_: Job) -> ExitCode:
    secrets = [os.environ["CLOUDFLARE_API_TOKEN"], os.environ["POSTGRES_DSN"]]
    raise RuntimeError("precious", *secrets)


if __name__ == "__main__":
    Job.carry_out = _crash  # type: ignore[method-assign] - the point
    sys.exit(cli.main(sys.argv[1:]))
