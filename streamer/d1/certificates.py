"""Loading aiohttp without reading the system's certificates for nothing."""

from __future__ import annotations

import ssl
from collections.abc import Generator
from contextlib import contextmanager
from threading import Lock

_ONE = Lock()  # thread at a time, so that each puts back what was there


@contextmanager
def unread_where_unchecked() -> Generator[None]:
    """Meanwhile TLS contexts that check nobody's certificate don't read those of the system.

    aiohttp makes two contexts when it is loaded, one that checks and one that doesn't, and reads them for
    both (`_make_ssl_context` in its connector.py, 3.14): 17 ms each time.
    """
    kind = ssl.SSLContext
    with _ONE:
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
