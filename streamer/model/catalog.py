"""What PostgreSQL's catalog says: tables, columns, keys, indexes, foreign keys.

Plain facts, as read in one snapshot; nothing here has been decided yet.
"""

from __future__ import annotations

from enum import StrEnum

from streamer.frozen import frozen


@frozen
class QualifiedName:
    """A table's schema and name, unquoted, as PostgreSQL spells them."""

    schema: str
    name: str

    def __str__(self) -> str:
        return f"{self.schema}.{self.name}"

    def __lt__(self, other: QualifiedName) -> bool:
        return (self.schema, self.name) < (other.schema, other.name)


class TypeKind(StrEnum):
    """`pg_type.typtype`, with arrays (`typcategory` A with an element) set apart."""

    BASE = "base"
    ARRAY = "array"
    COMPOSITE = "composite"
    DOMAIN = "domain"
    ENUM = "enum"
    RANGE = "range"
    MULTIRANGE = "multirange"
    PSEUDO = "pseudo"


@frozen
class PgType:
    """A column's type.

    `formatted` is `format_type(oid, typmod)`, qualified and usable in a cast with `search_path` =
    pg_catalog; `name` and `schema` are those of pg_type without modifiers. `modifier` is atttypmod
    (-1: none). `inner` is the element of an array, the base of a domain (one level), what a range is
    of, the range of a multirange, else None; `fields` are a composite's.
    `labels` are an enum's, in its order. `output` names the type's output function, qualified.
    `casts` names the types that a function of the database's own casts it to; `changes_form`: some
    cast of the database's own is implicit, so operators may be ambiguous.
    A domain's own NOT NULL, default (SQL, or None) and CHECKs (over VALUE) are in `not_null`,
    `default` and `checks`; those of the domain below it are in `inner`.
    """

    oid: int
    schema: str
    name: str
    formatted: str
    kind: TypeKind
    modifier: int = -1
    inner: PgType | None = None
    labels: tuple[str, ...] = ()
    output: str = ""
    extension: str = ""
    casts: tuple[str, ...] = ()
    changes_form: bool = False
    not_null: bool = False
    default: str | None = None
    checks: tuple[Check, ...] = ()
    fields: tuple[TypeField, ...] = ()

    @property
    def base(self) -> PgType:
        """The type under any number of domains."""
        base = self
        while base.kind is TypeKind.DOMAIN and base.inner is not None:
            base = base.inner
        return base


@frozen
class TypeField:
    """A field of a composite type."""

    name: str
    type: PgType


@frozen
class Sequence:
    """The sequence that numbers a column (serial or identity).

    `last_value` is None where nothing was drawn yet since it was set; the next value is then
    `start`, else `last_value + increment`. `shared`: other columns draw from it too. `hidden`: the
    role may not look where it is.
    """

    name: QualifiedName
    start: int
    increment: int
    minimum: int
    maximum: int
    cycle: bool
    last_value: int | None = None
    shared: bool = False
    hidden: bool = False


@frozen
class Column:
    """A live column of a table, in `attnum` order.

    `default` is the SQL of pg_get_expr or None; `identity` is '', 'a' (always) or 'd' (by default);
    `generated` is '' or the kind ('s' stored, 'v' virtual); `generated_apart`: some partition stores what an
    expression of its own gives. `collation` is the qualified name when it isn't the
    default of the type under all domains, else ''; `deterministic` is false where equal texts may differ in their bytes;
    `sequence` is the one that a default or an identity draws from; `collation_version` is the version the provider reports now, or ''.
    """

    name: str
    number: int
    type: PgType
    not_null: bool
    default: str | None = None
    identity: str = ""
    generated: str = ""
    generated_apart: bool = False
    collation: str = ""
    collation_version: str = ""
    comment: str = ""
    sequence: Sequence | None = None
    deterministic: bool = True


@frozen
class Index:
    """An index; `columns` holds key columns only, None where the key is an expression.

    `expressions` runs beside `columns`: the SQL of a key that is an expression, None of the others.
    `without_overlaps`: of rows that are equal in all but the last column no two overlap in that.

    `descending` and `nulls_first` run beside `columns`. `bytes` is pg_relation_size. `operator_classes_default` is false when any
    key column uses a class other than its type's default, or a collation other than its column's, or
    where an expression's collation takes texts for equal whose bytes differ.
    """

    name: str
    oid: int
    columns: tuple[str | None, ...]
    unique: bool
    primary: bool
    valid: bool
    immediate: bool
    method: str
    definition: str
    predicate: str | None = None
    descending: tuple[bool, ...] = ()
    nulls_first: tuple[bool, ...] = ()
    nulls_not_distinct: bool = False
    operator_classes_default: bool = True
    bytes: int = 0
    constraint: str = ""
    expressions: tuple[str | None, ...] = ()
    included: tuple[str, ...] = ()
    without_overlaps: bool = False


class ForeignKeyAction(StrEnum):
    """What happens to children when a parent goes or moves, in SQL's words."""

    NO_ACTION = "NO ACTION"
    RESTRICT = "RESTRICT"
    CASCADE = "CASCADE"
    SET_NULL = "SET NULL"
    SET_DEFAULT = "SET DEFAULT"


@frozen
class ForeignKey:
    """`columns` of this table refer to `parent_columns` of `parent`, pairwise.

    `period`: the last of them is a range, which several rows of the parent may cover together.
    What isn't `enforced` isn't `validated` either.
    """

    name: str
    columns: tuple[str, ...]
    parent: QualifiedName
    parent_columns: tuple[str, ...]
    on_delete: ForeignKeyAction = ForeignKeyAction.NO_ACTION
    on_update: ForeignKeyAction = ForeignKeyAction.NO_ACTION
    deferrable: bool = False
    initially_deferred: bool = False
    match_full: bool = False
    validated: bool = True
    set_columns: tuple[str, ...] = ()
    period: bool = False
    enforced: bool = True

    @property
    def unproven(self) -> str:
        """By which words PostgreSQL doesn't vouch for the rows; '' where it does."""
        return _unproven(validated=self.validated, enforced=self.enforced)

    @property
    def to_prove(self) -> str:
        """The statement, with `…` for the table, after which it does."""
        how = "VALIDATE CONSTRAINT {}" if self.enforced else "ALTER CONSTRAINT {} ENFORCED"
        return f"ALTER TABLE … {how.format(self.name)}"


@frozen
class Check:
    """A CHECK constraint, or a NOT NULL that isn't valid yet, and its SQL (pg_get_constraintdef).

    What isn't `enforced` isn't `validated` either.
    """

    name: str
    definition: str
    validated: bool = True
    enforced: bool = True

    @property
    def unproven(self) -> str:
        """By which words PostgreSQL doesn't vouch for the rows; '' where it does."""
        return _unproven(validated=self.validated, enforced=self.enforced)


def _unproven(*, validated: bool, enforced: bool) -> str:
    if not enforced:
        return "NOT ENFORCED"
    return "" if validated else "NOT VALID"


class TableKind(StrEnum):
    """`pg_class.relkind` of what may be moved or must be mentioned; LABELS are made of an enum's."""

    TABLE = "table"
    PARTITIONED = "partitioned table"
    VIEW = "view"
    MATERIALIZED_VIEW = "materialized view"
    FOREIGN = "foreign table"
    LABELS = "labels of an enum"


@frozen
class Leaf:
    """A physical part of a table: the table itself, or one partition at the bottom."""

    oid: int
    name: QualifiedName
    relfilenode: int
    blocks: int


@frozen
class Table:
    """One table as the catalog knows it.

    `rows` is the planner's estimate (-1: never analysed), `bytes` is pg_table_size with TOAST,
    summed over leaves; `toast_bytes` the TOAST part of it. `leaves` are in oid order and have at least one element for TABLE, and all
    bottom partitions for PARTITIONED. `inherits` names parents by plain inheritance,
    `has_children` is true where others inherit from it (then it is read with ONLY). `readable` is
    false where the role may not select from it, `rows_hidden` is true where row-level security
    applies to the role. `definition` is a view's SELECT, or that of an enum's labels, `view_options` a
    view's own, as security_barrier=true; `rules` are the rewrite rules of others,
    `partition_key` is pg_get_partkeydef. `populated` is false of a materialized view that holds
    nothing yet, not even no rows.
    """

    oid: int
    name: QualifiedName
    kind: TableKind
    columns: tuple[Column, ...]
    indexes: tuple[Index, ...]
    foreign_keys: tuple[ForeignKey, ...]
    checks: tuple[Check, ...]
    leaves: tuple[Leaf, ...]
    rows: int
    bytes: int
    toast_bytes: int = 0
    relfilenode: int = 0
    row_security: bool = False
    has_children: bool = False
    inherits: tuple[QualifiedName, ...] = ()
    exclusion_constraints: tuple[str, ...] = ()
    triggers: tuple[str, ...] = ()
    comment: str = ""
    readable: bool = True
    rows_hidden: bool = False
    definition: str = ""
    view_options: tuple[str, ...] = ()
    rules: tuple[str, ...] = ()
    partition_key: str = ""
    populated: bool = True

    def column(self, name: str) -> Column:
        """The column called `name`; KeyError where there is none."""
        for column in self.columns:
            if column.name == name:
                return column
        raise KeyError(name)


@frozen
class SourceIdentity:
    """Which database this is: survives restarts, not a restore into another cluster.

    Where rows come from files that were made of it, `files` is a digest of these.
    `collation` is the locale by which it orders texts where nothing else is said, or ''.
    """

    system_identifier: str
    timeline: int
    database: str
    server_version: int
    encoding: str = "UTF8"
    is_standby: bool = False
    files: str = ""
    collation: str = ""


@frozen
class OtherObjects:
    """What a database holds besides tables: how many of each, names where they are few.

    Of extensions' own objects nothing is counted. `sequences` are those that no column owns.
    """

    functions: int = 0
    event_triggers: tuple[str, ...] = ()
    large_objects: int = 0
    statistics: int = 0
    publications: tuple[str, ...] = ()
    sequences: tuple[QualifiedName, ...] = ()
    granted_tables: int = 0


@frozen
class Catalog:
    """Everything that the plan needs to know of the source, read in one snapshot."""

    source: SourceIdentity
    tables: tuple[Table, ...]
    others: OtherObjects = OtherObjects()
