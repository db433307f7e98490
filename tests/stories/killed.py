"""The command, killed by `kill -9` at one of the requests that it makes to a file.

As `python -m tests.stories.killed NUMBER WHEN ARGUMENTS...`: the request of this NUMBER is the last,
WHEN `before` it is executed, `within` its transaction, or `after` that is committed, be it with others
that came before it; or (`leaving`) the one that takes the marks away never comes; or (`rejects`) the writing
down of rejected rows of this NUMBER is the last, once it is durable.
"""

from __future__ import annotations

import itertools
import os
import signal
import sys
from collections.abc import Iterable, Iterator
from typing import Any

from streamer import cli
from streamer.local_d1.body import Query
from streamer.local_d1.database import Database
from streamer.pack import LEDGER_TABLE
from streamer.run.rejects import Rejects
from streamer.targets.file import FileTransport


def main() -> None:
    number, when, *arguments = sys.argv[1:]
    requests = itertools.count(1)
    taken, commit = FileTransport._taken, Database._commit
    is_last = False

    def die(moment: str) -> None:
        if is_last and when == moment:
            os.kill(os.getpid(), signal.SIGKILL)

    def committed(database: Database) -> None:
        die("within")
        commit(database)
        die("after")

    def counted(*args: Any) -> Iterator[Iterable[Query]]:
        nonlocal is_last
        for request in taken(*args):
            queries = [*request]
            is_last |= next(requests) == int(number)
            die("before")
            if when == "leaving" and any(LEDGER_TABLE in q.sql for q in queries if "DROP" in q.sql):
                os.kill(os.getpid(), signal.SIGKILL)
            yield queries

    def written_down(*args: Any) -> None:
        append(*args)
        if when == "rejects" and next(writings) == int(number):
            os.kill(os.getpid(), signal.SIGKILL)

    append, writings = Rejects._append, itertools.count(1)
    Rejects._append = written_down
    FileTransport._taken = counted
    Database._commit = committed
    sys.exit(cli.main(arguments))


if __name__ == "__main__":
    main()
