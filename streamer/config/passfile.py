"""`.pgpass`: passwords by host, port, database and user, read as libpq reads them.

Source: postgresql.org/docs/18/libpq-pgpass.html and `passwordFromFile` in fe-connect.c, 2026-11-22.
"""

from __future__ import annotations

import re
import stat
from pathlib import Path

from streamer.model import Secret

SOCKET_FOLDERS = ("/tmp", "/var/run/postgresql", "/run/postgresql")  # noqa: S108 (libpq's defaults)
_FIELD = r"((?:[^:\\]|\\.|\\$)*)(:|$)"
_FIELDS = 5


def find(
    text: str, *, host: str | None, port: int | None, database: str, user: str
) -> Secret | None:
    """The password of the first line of `text` that matches; None where no line does.

    No host, and the default socket folders, are spelled `localhost` in the file.
    """
    wanted_host = "localhost" if not host or host in SOCKET_FOLDERS else host
    wanted = (wanted_host, str(port or 5432), database, user)
    for line in text.splitlines():
        fields = _fields(line)
        if line.startswith("#") or len(fields) < _FIELDS:
            continue
        if all(
            raw == "*" or _plain(raw) == want for raw, want in zip(fields, wanted, strict=False)
        ):
            password = _plain(fields[_FIELDS - 1])
            return Secret(password) if password else None
    return None


def load(path: Path) -> tuple[str, str]:
    """The file's text, and a warning where it must not be used; both empty where there is none.

    As libpq: a file that others can read is left alone, said aloud.
    """
    try:
        with path.open(encoding="utf-8", errors="surrogateescape") as file:
            mode = path.stat().st_mode
            if not stat.S_ISREG(mode):
                return "", f"{path}: not a plain file; it was not read for a password"
            if mode & (stat.S_IRWXG | stat.S_IRWXO):
                return "", f"{path}: others can read it, so it was not used; run: chmod 600 {path}"
            return file.read(), ""
    except FileNotFoundError:
        return "", ""
    except OSError as error:
        return "", f"{path}: can't be read ({error.strerror})"


def _fields(line: str) -> list[str]:
    fields: list[str] = []
    at = 0
    while len(fields) < _FIELDS and (match := re.compile(_FIELD).match(line, at)) is not None:
        fields.append(match[1])
        at = match.end()
        if not match[2]:
            break
    return fields


def _plain(raw: str) -> str:
    return re.sub(r"\\(.)", r"\1", raw)
