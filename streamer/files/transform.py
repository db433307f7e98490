"""Makes transformed files of exported ones: the rows that D1 is to hold, a JSON object a line."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from streamer.errors import BadFileError, BadRowsError
from streamer.files.cells import (
    RowMaker,
    WrongRowError,
    key_of,
    line_template,
    stored_cells,
    tokens,
    told,
    transformed_columns,
)
from streamer.files.checks import changed
from streamer.files.manifest import ExportedTable
from streamer.files.reading import Content, Row, read_rows
from streamer.files.trial import Missing, TrialDatabase
from streamer.files.writing import TableWriter
from streamer.model import TablePlan

LINES_AT_ONCE = 1_000
MOST_PROBLEMS = 20  # of a file, that are told one by one


@dataclass(frozen=True, slots=True)
class Job:
    """One table: where its rows are and where they go; `edited`: the file may be another by now."""

    plan: TablePlan
    table: ExportedTable
    maker: RowMaker
    source: Path
    edited: bool = False


class TableTransformer:
    """Reads a table's file to its end, whatever is wrong with rows, which `problems` names.

    Where there are any, what was written is worth nothing.
    """

    def __init__(self, job: Job, trial: TrialDatabase | None) -> None:
        self.problems: list[str] = []
        self.skipped = 0
        self._job = job
        self._trial = trial
        self._more = 0

    def write(self, writer: TableWriter) -> None:
        """Write all rows."""
        lines = self._lines()
        while batch := list(islice(lines, LINES_AT_ONCE)):
            writer.write(batch)
        if self._more:
            self.problems.append(f"{self._job.source}: {self._more:,} more rows can't be stored")

    def _lines(self) -> Iterator[str]:
        job = self._job
        template, makers = line_template(job.plan), tokens(job.plan)
        content, written = Content(), 0
        insert = self._trial.insert_sql(job.plan) if self._trial else ""
        try:
            for row in read_rows(job.source, content):
                cells = self._made(row)
                if cells is None:
                    continue
                written += 1
                if self._trial and (why := self._trial.insert(job.plan, insert, written, cells)):
                    self._problem(row, why)
                yield template % tuple(
                    [make(cell) for make, cell in zip(makers, cells, strict=True)]
                )
        except BadFileError as error:
            self.problems.append(error.what)
            return
        if not job.edited and (what := changed(job.source, job.table.file, content)):
            self.problems.append(f"{what}; --edited takes the files as they are")

    def _made(self, row: Row) -> list[str | None] | None:
        try:
            cells = self._job.maker.cells(row)
        except (WrongRowError, BadRowsError) as error:
            self._problem(row, told(error))
            return None
        if cells is None:
            self.skipped += 1
        return cells

    def _problem(self, row: Row, what: str) -> None:
        if len(self.problems) >= MOST_PROBLEMS:
            self._more += 1
            return
        key = key_of(self._job.plan, row)
        self.problems.append(f"{self._job.source}, line {row.line}{key}: {what}")


def name_missing(missing: Missing, path: Path) -> list[str]:
    """The rows of a transformed file whose parents are missing, a sentence each."""
    columns, found = transformed_columns(missing.table), list[str]()
    for row in read_rows(path):
        cells = stored_cells(columns, row)
        values = tuple(str(cells[place]) for place in missing.places)
        if values in missing.values:
            named = ", ".join(missing.key.columns)
            key = key_of(missing.table, row, by_target=True)
            found.append(
                f"{path}, line {row.line}{key}: {named}: no row of {missing.key.parent} has this"
                f" {', '.join(missing.key.parent_columns)}"
            )
        if len(found) >= MOST_PROBLEMS:
            found.append(f"{path}: and maybe more of {missing.key.source_name}")
            break
    return found
