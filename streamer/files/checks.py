"""Whether a file still is what the manifest says, and holds what its table can hold."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from streamer.errors import BadFileError
from streamer.files.derived import Derivation, WrongValueError, text
from streamer.files.manifest import ExportedTable, FileFacts
from streamer.files.opening import Content
from streamer.files.reading import read_rows
from streamer.files.values import Form, printed_as
from streamer.model import Table
from streamer.model.words import counted


def unfit(
    path: Path,
    table: ExportedTable,
    source: Table,
    server_version: int,
    heed: Callable[[], None],
) -> str:
    """Why a file isn't that of `table`: '' where it is, every value of it too.

    `source` is the table in the catalog. `heed` is called with every line: what it raises ends this.
    """
    content = Content(heed)
    return malformed(path, table, source, server_version, content) or changed(
        path, table.file, content
    )


def malformed(
    path: Path, table: ExportedTable, source: Table, server_version: int, content: Content
) -> str:
    """Why a file doesn't hold rows of `table`, whichever: '' where it does; `content` is filled."""
    names = [column.name for column in table.columns]
    makers = [
        _any_form(source, column.name, column.form, server_version) for column in table.columns
    ]
    try:
        for row in read_rows(path, content):
            if list(row.values) != names:
                return f"{path}, line {row.line}: its columns aren't those of {table.name}"
            if row.twice:
                return f"{path}, line {row.line}, {row.twice}: it is given twice"
            for name, make, value in zip(names, makers, row.values.values(), strict=True):
                if value is not None:
                    try:
                        make(value)
                    except WrongValueError as error:
                        return f"{path}, line {row.line}, {name}: {error}"
    except BadFileError as error:
        return error.what
    return ""


def _any_form(source: Table, column: str, form: Form, server_version: int) -> Derivation:
    """What makes some cell of a column's values."""
    if form is Form.CELL:
        return text
    printed = printed_as(source.column(column).type, server_version)
    assert printed is not None
    return next(iter(printed.made.values()))


def changed(path: Path, facts: FileFacts, content: Content) -> str:
    """Why what was read of a whole file isn't what was written; '' where it is."""
    if content.rows != facts.rows:
        return f"{path}: it has {counted(content.rows, 'row')}, and {facts.rows:,} were written"
    if content.sha256 != facts.sha256:
        return f"{path}: it isn't what was written (its SHA-256 differs)"
    return ""
