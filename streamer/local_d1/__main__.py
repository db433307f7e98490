"""`python -m streamer.local_d1`: the same as `streamer serve-d1`."""

from __future__ import annotations

import argparse
import asyncio
import sys

from streamer.local_d1.command import add_arguments, serve
from streamer.local_d1.errors import LocalD1Error

if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m streamer.local_d1", description=__doc__)
    add_arguments(parser)
    try:
        sys.exit(asyncio.run(serve(parser.parse_args())))
    except LocalD1Error as error:
        sys.exit(str(error))
