"""Where transformed rows go: a file a table with a JSON object a line, or SQL files (`sql`)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Protocol

from streamer.files.cells import lines_of
from streamer.files.columns import Cells
from streamer.files.names import Compression, Format, file_name
from streamer.files.writing import TableWriter, Written
from streamer.model import TablePlan

SUFFIX = "_transformed"

Pages = Iterable[Sequence[Cells]]
"""Rows, many at once: for each of the table's columns their cells; no page is empty."""


class RowOutput(Protocol):
    """Where one table's rows go."""

    @property
    def rows(self) -> int:
        """How many were written."""
        ...

    def write(self, pages: Pages) -> None:
        """Write all rows."""
        ...

    def complete(self) -> Written:
        """Write the end and make it durable; it has no name yet."""
        ...


class Outputs(Protocol):
    """Where all tables' rows go; nothing of it has its name before `give_names`."""

    def begin(self) -> None:
        """Remove what must not stand beside what is to come."""
        ...

    def open(self, table: TablePlan) -> RowOutput:
        """Where a table's rows go; one table at a time."""
        ...

    def give_names(self) -> None:
        """Let everything that is complete take its place."""
        ...

    def files(self, table: TablePlan) -> tuple[str, ...]:
        """The names of a table's files; known once they are given."""
        ...

    @property
    def in_order(self) -> tuple[str, ...]:
        """The names of all files in the order in which they must be loaded; none where that is free."""
        ...

    def discard(self) -> None:
        """Remove what has no name."""
        ...


class JsonRows:
    """One table's rows, a JSON object a line."""

    def __init__(self, plan: TablePlan, writer: TableWriter) -> None:
        self._writer = writer
        self._lines = lines_of(plan)

    @property
    def rows(self) -> int:
        """How many were written."""
        return self._writer.rows

    def write(self, pages: Pages) -> None:
        """Write all rows."""
        for columns in pages:
            text = self._lines.text(columns, self._writer.between)
            self._writer.write_text(text, len(columns[0]))

    def complete(self) -> Written:
        """Write the file's end; it still has no name."""
        return self._writer.complete()


class JsonOutputs:
    """A file a table, called as its export is."""

    in_order: tuple[str, ...] = ()

    def __init__(self, folder: Path, form: Format, compression: Compression) -> None:
        self._folder = folder
        self._form = form
        self._compression = compression
        self._writers: list[TableWriter] = []

    def begin(self) -> None:
        """Nothing: without a manifest, files of another time are no part of anything."""

    def open(self, table: TablePlan) -> JsonRows:
        """Where a table's rows go."""
        (name,) = self.files(table)
        writer = TableWriter(self._folder / name, self._form, self._compression)
        self._writers.append(writer)
        writer.begin()
        return JsonRows(table, writer)

    def give_names(self) -> None:
        """Let the files take their places."""
        for writer in self._writers:
            writer.give_name()

    def files(self, table: TablePlan) -> tuple[str, ...]:
        """The name of the table's file."""
        return (file_name(table.name, self._form, self._compression, suffix=SUFFIX),)

    def discard(self) -> None:
        """Remove what has no name."""
        for writer in self._writers:
            writer.discard()
