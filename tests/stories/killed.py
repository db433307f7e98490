"""The command, killed by `kill -9` at one of the requests that it makes to a file.

As `python -m tests.stories.killed NUMBER WHEN ARGUMENTS...`: the request of this NUMBER is the last,
WHEN `before` it is executed, `within` its transaction, or `after` that is committed; or (`rejects`) the
writing down of rejected rows of this NUMBER is, once it is durable.
"""

from __future__ import annotations

import itertools
import os
import signal
import sys
from collections.abc import Callable
from typing import Any

from streamer import cli
from streamer.local_d1.database import Database
from streamer.run.rejects import Rejects


def main() -> None:
    number, when, *arguments = sys.argv[1:]
    requests = itertools.count(1)
    run, commit = Database.run, Database._commit
    is_last = False

    def die(moment: str) -> None:
        if is_last and when == moment:
            os.kill(os.getpid(), signal.SIGKILL)

    def dying(work: Callable[..., Any], before: str, after: str) -> Callable[..., Any]:
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            die(before)
            done = work(*args, **kwargs)
            die(after)
            return done

        return wrapped

    def counted(*args: Any, **kwargs: Any) -> Any:
        nonlocal is_last
        is_last = next(requests) == int(number)
        return dying(run, "before", "after")(*args, **kwargs)

    def written_down(*args: Any) -> None:
        append(*args)
        if when == "rejects" and next(writings) == int(number):
            os.kill(os.getpid(), signal.SIGKILL)

    append, writings = Rejects._append, itertools.count(1)
    Rejects._append = written_down
    Database.run = counted
    Database._commit = dying(commit, "within", "")
    sys.exit(cli.main(arguments))


if __name__ == "__main__":
    main()
