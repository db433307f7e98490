"""Makes D1's rows of exported files, and names every row that can't be one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from streamer.errors import BadFileError, BadRowsError
from streamer.files.cells import (
    RowMaker,
    WrongRowError,
    key_of,
    told,
)
from streamer.files.checks import changed
from streamer.files.columns import Cells
from streamer.files.manifest import ExportedTable
from streamer.files.opening import Content
from streamer.files.reading import Page, Row, read_pages, read_rows
from streamer.files.stored import stored_cells, transformed_columns
from streamer.files.trial import Missing, TrialDatabase
from streamer.frozen import frozen
from streamer.model import TablePlan
from streamer.model.words import counted
from streamer.pack.spelling import in_one_spelling

MOST_PROBLEMS = 20  # of a file, that are told one by one


@frozen
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
        self._tried = 0
        self._insert = trial.insert_sql(job.plan) if trial else ""

    def pages(self) -> Iterator[Sequence[Cells]]:
        """The cells of every row that can be stored, column by column, many rows at once.

        To be read to its end.
        """
        job, content = self._job, Content()
        try:
            for page in read_pages(job.source, content, careful=job.edited):
                made = job.maker.many(page)
                rows: Iterable[Row] = page.as_rows()
                if made is None:
                    found = [*self._one_by_one(page)]
                    rows = [row for row, _ in found]
                    made = [*zip(*(cells for _, cells in found), strict=True)]
                if not made:
                    continue
                if self._trial is not None:
                    self._try(self._trial, rows, zip(*made, strict=True))
                yield made
        except BadFileError as error:
            self.problems.append(error.what)
        else:
            if not job.edited and (what := changed(job.source, job.table.file, content)):
                self.problems.append(f"{what}; --edited takes the files as they are")
        if self._more:
            self.problems.append(f"{job.source}: {counted(self._more, 'more row')} can't be stored")

    def _one_by_one(self, page: Page) -> Iterator[tuple[Row, Cells]]:
        """Those of the page's rows that can be stored, with their cells."""
        for row in page.each(self._job.source):
            cells = self._made(row)
            if cells is not None:
                yield row, cells

    def _try(self, trial: TrialDatabase, rows: Iterable[Row], made: Iterable[Cells]) -> None:
        for row, cells in zip(rows, made, strict=True):
            self._tried += 1
            if why := trial.insert(self._job.plan, self._insert, self._tried, cells):
                self._problem(row, why)

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
    """Those of the rows of the file `path` whose parents are missing, a sentence each.

    Where the file spells such values so that none of its rows is known by them, a sentence for all:
    that there are some is certain.
    """
    # Each spelling of a text is among the values.
    columns = [replace(missing.table.columns[place], nocase=False) for place in missing.places]
    wanted = {in_one_spelling(columns, values) for values in missing.values}
    named, theirs = ", ".join(missing.key.columns), ", ".join(missing.key.parent_columns)
    found: list[str] = []
    for line, key, cells in rows:
        values = tuple(cell for place in missing.places if (cell := cells[place]) is not None)
        if len(values) == len(columns) and in_one_spelling(columns, values) in wanted:
            found.append(
                f"{path}, line {line}{key}: {named}: no row of {missing.key.parent} has this {theirs}"
            )
        if len(found) >= MOST_PROBLEMS:
            found.append(f"{path}: and maybe more of {missing.key.source_name}")
            break
    return found or [
        f"{path}: {named}: some rows refer to a {theirs} that no row of {missing.key.parent} has"
    ]
