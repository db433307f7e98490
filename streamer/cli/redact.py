"""The last filter: no secret leaves through stderr or a log, whoever wrote it there."""

from __future__ import annotations

import io
import json
import os
import sys
from collections.abc import Generator, Iterable
from contextlib import contextmanager, suppress
from typing import TextIO
from urllib.parse import quote, quote_plus

SHORTEST = 4  # a shorter secret would blot out ordinary words
HIDDEN = "***"


class Redactor:
    """Replaces secrets in texts, also where they are escaped for an URL, JSON or Python."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._forms: list[str] = []
        self.add(secrets)

    def add(self, secrets: Iterable[str]) -> None:
        """Hide these too."""
        forms = set(self._forms)
        for secret in secrets:
            if len(secret) >= SHORTEST:
                forms |= {secret, quote(secret), quote(secret, safe=""), quote_plus(secret)}
                forms |= {json.dumps(secret)[1:-1], repr(secret)[1:-1]}
        # The longest first: a DSN goes as a whole, not only the password in it.
        self._forms = sorted(forms, key=lambda form: (-len(form), form))

    def __call__(self, text: str) -> str:
        """`text` with every secret hidden."""
        for form in self._forms:
            if form in text:
                text = text.replace(form, HIDDEN)
        return text


class GuardedStream(io.TextIOBase):
    """A text stream that hides secrets in what is written; one that is closed swallows it."""

    def __init__(self, stream: TextIO | None, redact: Redactor) -> None:
        super().__init__()
        self._stream = stream
        self._redact = redact

    def write(self, text: str, /) -> int:
        """Write `text` without its secrets; the length of `text` as given."""
        if self._stream is not None:
            self._stream.write(self._redact(text))
        return len(text)

    def flush(self) -> None:
        """Hand on what was written."""
        if self._stream is not None:
            self._stream.flush()

    def isatty(self) -> bool:
        """True for a terminal."""
        return self._stream is not None and self._stream.isatty()

    def writable(self) -> bool:
        """It is there to be written to."""
        return True

    def fileno(self) -> int:
        """The descriptor below; OSError where there is none."""
        if self._stream is None:
            raise OSError("no such stream")
        return self._stream.fileno()

    @property
    def encoding(self) -> str:  # pyright: ignore[reportIncompatibleVariableOverride] (as io.TextIOWrapper has it)
        """The encoding of what is below."""
        return self._stream.encoding if self._stream is not None else "utf-8"


@contextmanager
def guarded_stderr(redact: Redactor) -> Generator[None]:
    """Let nothing out through stderr that `redact` hides; put the old stream back at the end."""
    before = sys.stderr
    sys.stderr = GuardedStream(before, redact)
    try:
        yield
    finally:
        try:
            sys.stderr.flush()
        except (OSError, ValueError):
            _let_go(before)
        sys.stderr = before


def _let_go(stream: TextIO) -> None:
    """Lead what is left in `stream` nowhere: the interpreter would exit with 120 over it."""
    with suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
