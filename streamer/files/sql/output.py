"""All of a plan's rows as SQL files: in load order, cycles closed, counters last."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path

from streamer.errors import UsageError
from streamer.files.names import stem
from streamer.files.sql.folder import FILE_BYTES, Section, give_names, remove_files
from streamer.files.sql.literals import FORBIDDEN
from streamer.files.sql.statements import Chunk, StatementMaker
from streamer.files.writing import Written
from streamer.model import (
    KeyKind,
    Loading,
    Pack,
    Plan,
    QualifiedName,
    StepKind,
    TablePlan,
)
from streamer.model.sql import quote_identifier
from streamer.pack import Layout
from streamer.pack.layout import step_columns

DEFER = "PRAGMA defer_foreign_keys=on"

Cells = Sequence[str | None]


class SqlRows:
    """One table's rows, and what is set in a second pass, once all tables' rows are there."""

    def __init__(self, plan: TablePlan, rows: Section, later: Section) -> None:
        self.rows = 0
        self._section, self._later = rows, later
        self._maker = StatementMaker(plan, StepKind.ROWS)
        self._numbered = plan.key.kind is KeyKind.PHYSICAL
        self._edges: StatementMaker | None = None
        if plan.loading is Loading.TWO_PASS:
            self._edges = StatementMaker(plan, StepKind.EDGES)
            names = [column.target for column in step_columns(plan, StepKind.ROWS)]
            wanted = step_columns(plan, StepKind.EDGES)
            self._places = [names.index(column.target) for column in wanted]
            self._first_set = len(wanted) - len(plan.deferred)
        self._first = f"-- {stem(plan.name)}\n{_stage(plan)}".encode()
        self._digest = hashlib.sha256()
        self._bytes = 0
        self.parts: set[int] = set()

    def write(self, pages: Iterable[Sequence[Cells]]) -> None:
        """Write all rows, given many at once: for each of the table's columns their cells."""
        for cells in chain.from_iterable(zip(*page, strict=True) for page in pages):
            self.rows += 1
            record = [str(self.rows), *cells] if self._numbered else cells
            for chunk in self._maker.add(record):
                self._write(chunk)
            if self._edges is not None:
                self._edge(self._edges, record)

    def complete(self) -> Written:
        """Write what is left; the files still have no names."""
        for chunk in self._maker.rest():
            self._write(chunk)
        for chunk in self._edges.rest() if self._edges is not None else ():
            self._later.write(chunk)
        return Written(self.rows, self._bytes, self._digest.hexdigest())

    def _write(self, chunk: Chunk) -> None:
        whole = replace(chunk, sql=self._first + chunk.sql)
        self._first = b""
        self._section.write(whole)
        self.parts.add(len(self._section.parts) - 1)
        self._bytes += len(whole.sql)
        self._digest.update(whole.sql)

    def _edge(self, maker: StatementMaker, record: Cells) -> None:
        cells = [record[place] for place in self._places]
        if any(cell is not None for cell in cells[self._first_set :]):
            for chunk in maker.add(cells):
                self._later.write(chunk)


class SqlOutputs:
    """The SQL files of a plan, in `folder`.

    `levels` says how many publishings must come before each table's rows; tables are opened in this
    order. `most` is how many bytes a file may have.

    Raises:
        UsageError: wrangler can't take the plan's own SQL.
        RefusedError: a statement for a table would be too long.

    """

    def __init__(
        self,
        folder: Path,
        plan: Plan,
        levels: Mapping[QualifiedName, int],
        most: int = FILE_BYTES,
    ) -> None:
        refuse_forbidden(plan)
        self.in_order: tuple[str, ...] = ()
        self._folder = folder
        self._plan = plan
        self._levels = levels
        self._level = 0
        self._rows = Section(folder, "rows", most=most)
        self._later = Section(folder, "later", most=most)
        self._tables = {
            table.name: SqlRows(table, self._rows, self._later) for table in plan.tables
        }

    def begin(self) -> None:
        """Remove what an earlier transformation left."""
        remove_files(self._folder)

    def open(self, table: TablePlan) -> SqlRows:
        """Where a table's rows go."""
        while self._level < self._levels[table.name]:
            self._publish()
        return self._tables[table.name]

    def give_names(self) -> None:
        """Let the files take their places, in the order in which they are to be loaded."""
        self._publish()
        counters = "".join(f"{sql};\n" for table in self._plan.tables for sql in table.after_sql)
        if counters:
            self._later.write(Chunk(counters.encode()))
        for section in (self._rows, self._later):
            section.close()
        self.in_order = give_names(self._folder, [*self._rows.parts, *self._later.parts])

    def files(self, table: TablePlan) -> tuple[str, ...]:
        """The names of the files that a table's rows are in."""
        return tuple(self.in_order[part] for part in sorted(self._tables[table.name].parts))

    def discard(self) -> None:
        """Remove what has no name yet."""
        self._rows.discard()
        self._later.discard()

    def _publish(self) -> None:
        """Let the staged rows of this level's cycles in: in a file each, since deferral ends with it."""
        staged = [
            table
            for table in self._plan.tables
            if table.cycle >= 0 and self._levels[table.name] == self._level
        ]
        self._level += 1
        for cycle in sorted({table.cycle for table in staged}):
            members = [table for table in staged if table.cycle == cycle]
            copies = [
                Layout.of(table, StepKind.ROWS, Pack.JSON, into_stage=False).copy_sql(table.stage)
                for table in members
            ]
            drops = [f"DROP TABLE {quote_identifier(table.stage)}" for table in members]
            script = "".join(f"{sql};\n" for sql in [DEFER, *copies, *drops])
            self._rows.close()
            self._rows.write(Chunk(script.encode()))
            self._rows.close()


def _stage(table: TablePlan) -> str:
    """What makes a staging table, anew; '' where there is none."""
    if not table.stage_sql:
        return ""
    return f"DROP TABLE IF EXISTS {quote_identifier(table.stage)};\n{table.stage_sql};\n"


def refuse_forbidden(plan: Plan) -> None:
    """Refuse names and clauses with words that wrangler takes out of every file."""
    made = [
        (table.name, [table.create_sql, *(index.sql for index in table.indexes)])
        for table in plan.tables
    ]
    made += [(view.source, [view.create_sql]) for view in plan.views]
    for name, sqls in made:
        if any(FORBIDDEN in sql for sql in sqls):
            raise UsageError(
                f"{name}: its SQL holds the words {FORBIDDEN}, which wrangler takes out of files.",
                hint="Rename what is called so with --rename, or leave out --format sql and use"
                " `streamer import`.",
            )


def for_wrangler(script: str) -> str:
    """A plan's script as wrangler takes it; of what isn't refused only comments can hold the words."""
    return script.replace(FORBIDDEN, FORBIDDEN.replace(" ", "_"))
