"""Loads aiohttp: early, beside other work, and without reading the system's certificates for nothing."""

from __future__ import annotations

import asyncio
import ssl
import sys
from collections.abc import Generator
from contextlib import contextmanager
from threading import Lock
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from streamer.d1.http import HttpTransport

QUICK_TURN_S = 0.0002

_ONE = Lock()  # thread at a time, so that each puts back what was there


def begin_to_load_http() -> None:
    """Begin to load what reaches D1 in a thread of the running event loop; nothing is waited for.

    That takes 0.07 s, in which a source can be asked. What goes wrong, `http_transport` tells who needs it.
    """
    loading = asyncio.get_running_loop().run_in_executor(None, http_transport)
    loading.add_done_callback(lambda done: done.cancelled() or done.exception())


def http_transport() -> type[HttpTransport]:
    """What sends requests over HTTP; the first caller loads it, others wait for that."""
    with _ONE, _quick_turns(), unread_where_unchecked():
        from streamer.d1.http import HttpTransport  # noqa: PLC0415 (slow to load, and files don't need it)

    return HttpTransport


@contextmanager
def _quick_turns() -> Generator[None]:
    """Meanwhile a thread that waits for Python's lock has it soon.

    By default one that computes keeps it for 5 ms (`sys.setswitchinterval`), for each answer that the event loop waits for.
    """
    before = sys.getswitchinterval()
    sys.setswitchinterval(QUICK_TURN_S)
    try:
        yield
    finally:
        sys.setswitchinterval(before)


@contextmanager
def unread_where_unchecked() -> Generator[None]:
    """Meanwhile TLS contexts that check nobody's certificate don't read those of the system.

    aiohttp makes two contexts when it is loaded, one that checks and one that doesn't, and reads them for
    both (`_make_ssl_context` in its connector.py, 3.14): 17 ms each time. One thread at a time may be in here.
    """
    kind = ssl.SSLContext
    own = vars(kind).get("set_default_verify_paths")
    read = kind.set_default_verify_paths

    def read_if_checked(self: ssl.SSLContext) -> None:
        if self.verify_mode is not ssl.CERT_NONE:
            read(self)

    kind.set_default_verify_paths = read_if_checked
    try:
        yield
    finally:
        if own is None:
            del kind.set_default_verify_paths  # what it inherits is there again
        else:
            kind.set_default_verify_paths = own
