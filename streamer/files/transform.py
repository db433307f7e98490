"""Makes D1's rows of exported files, and names every row that can't be one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from streamer.errors import BadFileError, BadRowsError
from streamer.files.cells import (
    RowMaker,
    WrongRowError,
    key_of,
    stored_cells,
    told,
    transformed_columns,
)
from streamer.files.checks import changed
from streamer.files.manifest import ExportedTable
from streamer.files.reading import Content, Row, read_rows
from streamer.files.trial import Missing, TrialDatabase
from streamer.model import TablePlan
from streamer.model.words import counted

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

    def rows(self) -> Iterator[list[str | None]]:
        """The cells of every row that can be stored; to be read to its end."""
        job = self._job
        content, made = Content(), 0
        insert = self._trial.insert_sql(job.plan) if self._trial else ""
        try:
            for row in read_rows(job.source, content, careful=job.edited):
                cells = self._made(row)
                if cells is None:
                    continue
                made += 1
                if self._trial and (why := self._trial.insert(job.plan, insert, made, cells)):
                    self._problem(row, why)
                yield cells
        except BadFileError as error:
            self.problems.append(error.what)
        else:
            if not job.edited and (what := changed(job.source, job.table.file, content)):
                self.problems.append(f"{what}; --edited takes the files as they are")
        if self._more:
            self.problems.append(f"{job.source}: {counted(self._more, 'more row')} can't be stored")

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


Found = tuple[int, str, Sequence[str | None]]
"""A row's line, what messages call it, and its cells."""


def transformed_rows(table: TablePlan, path: Path) -> Iterator[Found]:
    """The rows of a transformed file."""
    columns = transformed_columns(table)
    for row in read_rows(path):
        yield row.line, key_of(table, row, by_target=True), stored_cells(columns, row)


def exported_rows(job: Job) -> Iterator[Found]:
    """The rows of an exported file, as D1 is to hold them."""
    for row in read_rows(job.source):
        cells = job.maker.cells(row)
        if cells is not None:
            yield row.line, key_of(job.plan, row), cells


def name_missing(missing: Missing, path: Path, rows: Iterator[Found]) -> list[str]:
    """Those of the rows of the file `path` whose parents are missing, a sentence each."""
    found: list[str] = []
    for line, key, cells in rows:
        values = tuple(str(cells[place]) for place in missing.places)
        if values in missing.values:
            named = ", ".join(missing.key.columns)
            found.append(
                f"{path}, line {line}{key}: {named}: no row of {missing.key.parent} has this"
                f" {', '.join(missing.key.parent_columns)}"
            )
        if len(found) >= MOST_PROBLEMS:
            found.append(f"{path}: and maybe more of {missing.key.source_name}")
            break
    return found
