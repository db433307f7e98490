"""What has been decided: each table's key, columns, statements and steps, in load order.

`plan`, `schema` and `run --dry-run` print these values; `run` executes the same values.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from enum import StrEnum

from streamer.frozen import frozen
from streamer.model.catalog import PgType, QualifiedName, Table


class Storage(StrEnum):
    """The declared type of a target column; D1 knows no others that keep values exact."""

    INTEGER = "INTEGER"
    REAL = "REAL"
    TEXT = "TEXT"
    BLOB = "BLOB"


class Wire(StrEnum):
    """How a cell travels: as the text to store, or as hex digits that D1 turns into bytes."""

    TEXT = "text"
    HEX = "hex"


@frozen
class ColumnPlan:
    """How one column is read and stored.

    `read_sql` is an SQL expression over the alias `t` that makes PostgreSQL print the value as
    text (NULL stays NULL), for example `t."id"::text`. `exact_sql`: is `read_sql` also the text that casts
    back to the very same key value (then it doubles as key text)?
    `note` says in a few words how it is stored, for `plan`. A `made` column's values come from an
    expression or a mask: nothing in the target says what PostgreSQL holds. In the schema
    `operators` are those that compare the source's values, '' for PostgreSQL's own. `whole` is the
    source column that it is a part of, '' where it isn't a part.
    """

    source: str
    target: str
    storage: Storage
    wire: Wire
    read_sql: str
    type_name: str
    not_null: bool
    exact_sql: bool = False
    nocase: bool = False
    note: str = ""
    made: bool = False
    operators: str = ""
    whole: str = ""


class KeyKind(StrEnum):
    """What orders and identifies a table's rows."""

    PRIMARY = "primary key"
    UNIQUE = "unique index"
    PHYSICAL = "physical position"


@frozen
class KeyPlan:
    """The key rows are read by, resumed by, and upserted by.

    `columns` are source names in index order, `targets` their target names, `casts` the types that a key's text is cast to
    (`format_type`; '' where rows are looked up by what `read_sql` prints instead; with `as_numbers` by the double that this
    is, where the target's column is REAL). PHYSICAL has none of them: its key is one text,
    the row's rowid in the target (leaf number, block and offset in 15, 32 and 16 bits), written
    under the name `rowid`, which is one that no column of the table hides.
    """

    kind: KeyKind
    columns: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()
    casts: tuple[str, ...] = ()
    name: str = ""
    rowid: str = "rowid"
    as_numbers: bool = False


@frozen
class IndexPlan:
    """One index of the target; `early`: a foreign key or the upsert needs it before rows come.

    `object` is what findings call it (`schema.table.index`), '' for one that only D1 has. `keys` are SQL
    over the table's columns, and so is `where` ('': all rows).
    """

    name: str
    table: str
    sql: str
    early: bool
    unique: bool
    source_bytes: int = 0
    object: str = ""
    keys: tuple[str, ...] = ()
    where: str = ""


@frozen
class Clause:
    """A part of CREATE TABLE that the table can do without: a default, a CHECK, a generated column.

    `object` is what findings call it. `sql` stands behind the type of the target column `column`,
    or, where that is '', among the table's constraints.
    """

    object: str
    column: str
    sql: str


@frozen
class ForeignKeyPlan:
    """A foreign key kept in the target; names are target names."""

    columns: tuple[str, ...]
    parent: str
    parent_columns: tuple[str, ...]
    source_name: str


class Loading(StrEnum):
    """How a table's rows get in despite foreign key cycles.

    DIRECT: as they are. TWO_PASS: `deferred` columns are NULL at first and set in a second pass.
    STAGED: into a table without foreign keys, published together with its cycle in one request.
    """

    DIRECT = "direct"
    TWO_PASS = "two-pass"
    STAGED = "staged"


@frozen
class TablePlan:
    """Everything there is to do for one table.

    `columns` are those that are written, in order. `deferred` are target names of columns that the second pass sets; with `null_edges`, which a
    run says where the target held rows, also to NULL. `parents` are the
    tables (source names) whose rows must be there first: cycles are already cut, no self. `create_sql` makes the target table, `stage` is the name of the staging table for STAGED (else '') and `stage_sql` makes it.
    `cycle` numbers the group that is published together (STAGED only, else -1).
    `fingerprint` is a digest of all that must not change between a run and its resumption.
    `where` is the user's SQL over the columns of `t`; rows that it isn't true for aren't read.
    `transform` is the user's function, `module:function`, '' for none. With `hides_key` the key as
    PostgreSQL has it must not be written into the target. `computed` are the columns that D1
    computes, so nobody writes them. `after_sql` is to be executed once the rows are there.
    `said` is what there is to say about this table; the same findings are in the plan's. `clauses`
    are those parts of `create_sql` that could be left out.
    """

    table: Table
    target: str
    columns: tuple[ColumnPlan, ...]
    key: KeyPlan
    create_sql: str
    indexes: tuple[IndexPlan, ...]
    foreign_keys: tuple[ForeignKeyPlan, ...]
    parents: tuple[QualifiedName, ...]
    without_rowid: bool
    fingerprint: str
    loading: Loading = Loading.DIRECT
    deferred: tuple[str, ...] = ()
    null_edges: bool = False
    stage: str = ""
    stage_sql: str = ""
    cycle: int = -1
    where: str = ""
    transform: str = ""
    hides_key: bool = False
    computed: tuple[ColumnPlan, ...] = ()
    after_sql: tuple[str, ...] = ()
    said: tuple[Finding, ...] = ()
    clauses: tuple[Clause, ...] = ()

    @property
    def name(self) -> QualifiedName:
        """The source table's name."""
        return self.table.name

    @property
    def generated(self) -> tuple[str, ...]:
        """The target's names of the columns that D1 computes."""
        return tuple(column.target for column in self.computed)


class Severity(StrEnum):
    """WARNING: moved, but not everything is carried over. REFUSAL: can't be moved as it is."""

    WARNING = "warning"
    REFUSAL = "refusal"


@frozen
class Finding:
    """Something to say before anything is written: which object, what becomes of it, what to do.

    `object` is spelled as a user would (`public.t.column`); `rows` is how many rows it concerns,
    None where that isn't known.
    """

    severity: Severity
    object: str
    what: str
    hint: str = ""
    rows: int | None = None


class TimedBy(StrEnum):
    """What an estimate of time rests on: nothing that was measured, or what was."""

    GUESS = "guess"
    RATE_LIMIT = "rate limit"
    LAST_RUN = "last run"
    PROBE = "probe"


@frozen
class Estimate:
    """What a run will cost: API requests, seconds at the rate limit, D1 rows written, US dollars
    beyond the plan's included amounts not counted, and the database's size afterwards.

    `timed_by` says what the time rests on. It is the target that sets it: of one that nobody measured
    `seconds` are a slow one's, `least_seconds` a fast one's; else both are the same.
    """

    requests: int
    seconds: float
    rows_written: int
    cost_usd: float
    size_bytes: int
    least_seconds: float = 0.0
    timed_by: TimedBy = TimedBy.GUESS


@frozen
class Measure:
    """What a table's rows were seen to be: how many, and the average bytes of one.

    `body_bytes` in a request's body; `stored_bytes` of each column as SQLite stores its cells, in
    the columns' order. `indexed` has the rows of partial indexes, by their names in D1; one that
    isn't there has all rows. `bodies` are the bytes in a request's body of each row that was looked
    at, in the order of the table, where rows are long; empty: they are alike.
    """

    rows: int
    body_bytes: float
    stored_bytes: tuple[float, ...]
    indexed: Mapping[str, int] = field(default_factory=dict[str, int])
    bodies: tuple[int, ...] = ()


@frozen
class ViewPlan:
    """A view that the target gets, after all tables."""

    source: QualifiedName
    target: str
    create_sql: str


@frozen
class Question:
    """Something that only the rows can answer, asked of PostgreSQL before anything is written.

    `condition` is SQL over the row `t`; `alone`: it is no cheap test of a row but worth a query of its own.
    `necessary`, where given, is true for all such rows and cheaper: asked first, and the condition only
    where there are any. `query`, where given, is asked instead: one
    row with a count. `finding` is what to say when the count isn't 0: its `{rows}` in `what` is the count, its `{keys}`
    the keys of the first rows (with `sizes`, SQL over `t`, also that many bytes each).
    `examples` is a query for those keys where `condition` can't give them. `by_row`: such rows can be
    set aside one by one. `indexed`: an index finds such rows, so that the others aren't looked at.
    """

    table: QualifiedName
    finding: Finding
    condition: str = ""
    query: str = ""
    alone: bool = False
    sizes: str = ""
    examples: str = ""
    by_row: bool = False
    necessary: str = ""
    indexed: bool = False


@frozen
class OwnSql:
    """What PostgreSQL says of the user's SQL: the `types` of expressions, and warnings by table.

    `momentary` are the tables whose `where` speaks of the time or the session.
    """

    types: Mapping[tuple[QualifiedName, str], PgType] = field(
        default_factory=dict[tuple[QualifiedName, str], PgType]
    )
    findings: tuple[tuple[QualifiedName, Finding], ...] = ()
    momentary: frozenset[QualifiedName] = frozenset()


@frozen
class Answered:
    """For how many rows the answer is yes, and the first of these rows.

    `keys` name them as messages do (`id=2`), each with its bytes where the question wants sizes.
    """

    question: Question
    rows: int
    keys: tuple[tuple[str, int | None], ...] = ()


@frozen
class Plan:
    """A whole job: tables in load order (parents before children), and what must be said first.

    `size_bytes` is what D1 will hold, by the source's statistics or as its rows were measured;
    `measured` is what the run will cost by these, None before. `questions` are still to be asked; what
    comes of them belongs to the findings. `refused` are the tables that answers kept from being
    moved; they are among the refusals.
    """

    tables: tuple[TablePlan, ...]
    findings: tuple[Finding, ...]
    size_bytes: int = 0
    measured: Estimate | None = None
    views: tuple[ViewPlan, ...] = ()
    questions: tuple[Question, ...] = ()
    refused: Mapping[QualifiedName, Finding] = field(default_factory=dict[QualifiedName, Finding])

    @property
    def estimate(self) -> Estimate:
        """What the run will cost: of a plan whose rows were measured."""
        assert self.measured is not None, "what a plan costs is asked once its rows were measured"
        return self.measured

    @property
    def refusals(self) -> tuple[Finding, ...]:
        """What can't be moved."""
        return tuple(f for f in self.findings if f.severity is Severity.REFUSAL)

    @property
    def warnings(self) -> tuple[Finding, ...]:
        """What is moved, but not exactly as it was."""
        return tuple(f for f in self.findings if f.severity is Severity.WARNING)
