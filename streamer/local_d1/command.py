"""Serves a local D1 from the command line, until a signal."""

from __future__ import annotations

import argparse
import asyncio
import re
import secrets
import shlex
import signal
import sys
from pathlib import Path

from streamer.local_d1.faults import FaultKind, Faults
from streamer.local_d1.server import LocalD1

_ACCOUNT = "local"
_DATABASE = "streamer"  # where no other name is given
_EXAMPLES = """\
examples:
  streamer serve-d1 --dir d1 --create shop
  streamer serve-d1 --dir d1 --port 8787 --token secret --limit 1200/300 --latency-ms 80
  streamer serve-d1 --dir d1 --fault-rate 0.05 --faults lost,reset --seed 7

It prints what clients need, for the shell: CLOUDFLARE_API_BASE_URL, CLOUDFLARE_API_TOKEN,
CLOUDFLARE_ACCOUNT_ID and D1_DATABASE_ID, the first database's. Any account will do.

Faults: overload (429), reset and cpu (500, carried out or not), gateway (502 with HTML),
drop (the connection breaks before), lost (carried out, then the connection breaks).

Exit codes: 0 ended by a signal; 2 wrong options, a port in use, a directory that can't be written
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Give `parser` the options of the command."""
    parser.epilog = _EXAMPLES
    add = parser.add_argument
    add("--dir", type=Path, required=True, metavar="DIR", help="where the databases are kept")
    add("--port", type=_port, default=0, metavar="N", help="on 127.0.0.1 (default: a free one)")
    add("--token", default="", metavar="T", help="the token that clients must send (default: any)")
    add(
        "--create",
        action="append",
        default=[],
        metavar="NAME",
        help="a database to have (default: streamer)",
    )
    add("--latency-ms", type=_amount, default=0.0, metavar="N", help="wait before each answer")
    add("--limit", type=_limit, metavar="N/SECONDS", help="the API's limit, such as 1200/300")
    add("--block-s", type=_amount, default=300.0, metavar="N", help="how long it blocks")
    add("--fault-rate", type=_share, default=0.0, metavar="P", help="share of failures, 0 to 1")
    add("--faults", type=_kinds, default=tuple(FaultKind), metavar="KIND,...", help=_kinds_help())
    add("--seed", type=int, metavar="N", help="makes the failures repeatable")


async def serve(args: argparse.Namespace) -> int:
    """Serve until SIGINT or SIGTERM; the exit code. Raises LocalD1Error.

    The environment for clients goes to stdout, the rest to stderr.
    """
    limit, window_s = args.limit or (None, 300.0)
    faults = Faults(
        latency_ms=args.latency_ms,
        limit=limit,
        window_s=window_s,
        block_s=args.block_s,
        rate=args.fault_rate,
        kinds=args.faults,
        seed=args.seed,
    )
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    async with LocalD1(args.dir, port=args.port, token=args.token, faults=faults) as d1:
        uuids = [await d1.create(name) for name in args.create or [_DATABASE]]
        token = args.token or secrets.token_hex(8)
        sys.stdout.write("".join(environment(d1.base_url, token, uuids)))
        sys.stdout.flush()
        sys.stderr.write(f"Serving {args.dir} at {d1.base_url}; stop with Ctrl-C.\n")
        await stop.wait()
    return 0


def environment(base_url: str, token: str, uuids: list[str]) -> list[str]:
    """Lines for a shell that point the clients here; the first database is the target."""
    variables = {
        "CLOUDFLARE_API_BASE_URL": base_url,
        "CLOUDFLARE_API_TOKEN": token,
        "CLOUDFLARE_ACCOUNT_ID": _ACCOUNT,
        "D1_DATABASE_ID": uuids[0],
    }
    return [f"export {name}={shlex.quote(value)}\n" for name, value in variables.items()]


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > 65_535:
        raise argparse.ArgumentTypeError(f"{text} is no port")
    return int(text)


def _amount(text: str) -> float:
    if not re.fullmatch(r"\d+(\.\d+)?", text):
        raise argparse.ArgumentTypeError(f"{text} is no amount")
    return float(text)


def _share(text: str) -> float:
    share = _amount(text)
    if share > 1:
        raise argparse.ArgumentTypeError(f"{text} is no share between 0 and 1")
    return share


def _limit(text: str) -> tuple[int, float]:
    found = re.fullmatch(r"(\d+)/(\d+(?:\.\d+)?)", text)
    if found is None or int(found[1]) < 1 or float(found[2]) <= 0:
        raise argparse.ArgumentTypeError(f"{text} must be N/SECONDS, such as 1200/300")
    return int(found[1]), float(found[2])


def _kinds(text: str) -> tuple[FaultKind, ...]:
    known = {kind.value: kind for kind in FaultKind}
    unknown = [name for name in text.split(",") if name not in known]
    if unknown:
        raise argparse.ArgumentTypeError(f"{', '.join(unknown)}: must be of {', '.join(known)}")
    return tuple(known[name] for name in text.split(","))


def _kinds_help() -> str:
    return f"which failures, of {', '.join(kind.value for kind in FaultKind)} (default: all)"
