"""The command with clocks that run fast (tests.stories.hasty), and a resolver that forgets a name.

As `python -m tests.stories.nameless ARGUMENTS...`. Looking up the host in `NAMELESS_HOST` fails as often
as the file `NAMELESS_FILE` says, which counts down, and gives 127.0.0.1 otherwise.
"""

from __future__ import annotations

import os
import socket
import threading
from pathlib import Path
from typing import Any

from tests.stories import hasty

resolve = socket.getaddrinfo
turn = threading.Lock()


def _resolve(host: Any, *others: Any, **named: Any) -> Any:
    if host != os.environ["NAMELESS_HOST"]:
        return resolve(host, *others, **named)
    file = Path(os.environ["NAMELESS_FILE"])
    with turn:
        left = int(file.read_text(encoding="ascii"))
        if left:
            file.write_text(str(left - 1), encoding="ascii")
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
    return resolve("127.0.0.1", *others, **named)


if __name__ == "__main__":
    socket.getaddrinfo = _resolve
    hasty.main()
