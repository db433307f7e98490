"""What the files of a table are called."""

from __future__ import annotations

import hashlib
import string
from enum import StrEnum

from streamer.model import QualifiedName

_OURS = frozenset({"export_manifest", "export_report"})
_PLAIN = frozenset(string.ascii_letters + string.digits + "_-")
_LONGEST = 200  # bytes of a stem: file systems take names of 255, ours have more behind it


class Format(StrEnum):
    """How rows stand in a file: a JSON array with a row a line, or a JSON object a line."""

    JSON = "json"
    NDJSON = "ndjson"


class Compression(StrEnum):
    """How a file is compressed."""

    NONE = "none"
    GZIP = "gzip"
    ZSTD = "zstd"


_ENDINGS = {Compression.NONE: "", Compression.GZIP: ".gz", Compression.ZSTD: ".zst"}


def file_name(
    table: QualifiedName, form: Format, compression: Compression, *, suffix: str = ""
) -> str:
    """The name of a table's file: `users.json`, `audit.log_transformed.ndjson.gz`.

    In names, everything but `[A-Za-z0-9_-]` is percent-encoded, dots too, so no two tables share a
    file; on file systems that ignore case they may (`clashing`).
    """
    return f"{stem(table)}{suffix}.{form.value}{_ENDINGS[compression]}"


def stem(table: QualifiedName) -> str:
    """How files spell a table: `table` in the schema public, else `schema.table`.

    A table that is called as one of our own files has its first letter encoded too. What would be too
    long for a file system ends in `~` and a digest, which no other name does.
    """
    name = _encoded(table.name)
    if table.schema != "public":
        name = f"{_encoded(table.schema)}.{name}"
    elif name.casefold() in _OURS:
        name = f"%{ord(name[0]):02X}{name[1:]}"
    if len(name) <= _LONGEST:
        return name
    return f"{name[: _LONGEST - 17]}~{hashlib.sha256(name.encode()).hexdigest()[:16]}"


def _encoded(name: str) -> str:
    return "".join(
        letter if letter in _PLAIN else "".join(f"%{byte:02X}" for byte in letter.encode())
        for letter in name
    )
