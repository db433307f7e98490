"""The tables that are moved: made in the database, the same rows on every machine."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Work:
    """A table of so many `rows`, if nothing else is asked; `sql` makes and fills it.

    `columns` pairs each column with the SQL that prints it as it is stored; the first one is the key.
    `integers` are those that print whole numbers. `target_sql` is the table in SQLite, as the product
    makes it. These are for the floor: a table without them has none.
    """

    name: str
    rows: int
    sql: str
    columns: tuple[tuple[str, str], ...] = ()
    target_sql: str = ""
    integers: frozenset[str] = frozenset()

    @property
    def cells_sql(self) -> str:
        """All rows in key order, each a row of texts."""
        cells = ", ".join(f"({sql})::text AS c{n}" for n, (_, sql) in enumerate(self.columns))
        return f"SELECT {cells} FROM {self.name} AS t ORDER BY t.{self.columns[0][0]}"

    @property
    def upsert_sql(self) -> str:
        """The statement that the product packs rows into; its one parameter is their JSON."""
        names = [name for name, _ in self.columns]
        listed = ",".join(f'"{name}"' for name in names)
        cells = ",".join(f"(s.v->>{number})" for number in range(len(names)))
        changes = ",".join(f'"{name}"=excluded."{name}"' for name in names[1:])
        old = ",".join(self._held(name) for name in names[1:])
        new = ",".join(f'excluded."{name}"' for name in names[1:])
        rows = "(SELECT value AS v FROM jsonb_each(?1) LIMIT -1) AS s"
        return (
            f'INSERT INTO "{self.name}" AS o({listed}) SELECT {cells} FROM {rows} WHERE true '
            f'ON CONFLICT("{names[0]}") DO UPDATE SET {changes} WHERE ({old}) IS NOT ({new})'
        )

    def _held(self, name: str) -> str:
        is_text = f'  "{name}" TEXT' in self.target_sql
        return f'o."{name}"' + (" COLLATE BINARY" if is_text else "")

    def script(self, rows: int) -> str:
        """The SQL that makes the table with so many rows, analysed and with its pages settled."""
        return f"{self.sql.format(rows=rows)}; VACUUM (ANALYZE) {self.name}; CHECKPOINT"


BENCH = Work(
    "bench",
    1_000_000,
    """
    CREATE TABLE bench (
        id bigint PRIMARY KEY,
        quantity integer,
        price numeric(12, 2),
        title text,
        code varchar(40),
        active boolean,
        created_at timestamptz,
        day date,
        attributes jsonb,
        token uuid
    );
    INSERT INTO bench SELECT
        7 * i,
        CASE WHEN i % 7 <> 0 THEN (i * 7919) % 1000000 - 500000 END,
        CASE WHEN i % 11 <> 0 THEN ((i * 104729) % 100000000)::numeric / 100 END,
        CASE WHEN i % 13 <> 0 THEN
            initcap(translate(substr(md5(i::text), 1, 20 + (i % 12)::int), '0123456789', ' aeiou äß'))
        END,
        CASE WHEN i % 5 <> 0 THEN 'SKU-' || upper(substr(md5((i * 3)::text), 1, 14)) END,
        CASE WHEN i % 3 <> 0 THEN i % 2 = 0 END,
        timestamptz '2020-01-01 00:00:00Z' + i * interval '61.037 seconds',
        CASE WHEN i % 17 <> 0 THEN date '2000-01-01' + (i % 9000)::int END,
        CASE WHEN i % 4 <> 0 THEN
            jsonb_build_object('n', i % 100, 'tags', jsonb_build_array('new', i % 9), 'ok', i % 2 = 0)
        END,
        CASE WHEN i % 19 <> 0 THEN md5((i * 5)::text)::uuid END
    FROM generate_series(1::bigint, {rows}) AS i""",
    (
        ("id", "t.id"),
        ("quantity", "t.quantity"),
        ("price", "t.price"),
        ("title", "t.title"),
        ("code", "t.code"),
        ("active", "t.active::int"),
        ("created_at", "t.created_at AT TIME ZONE 'UTC'"),
        ("day", "t.day"),
        ("attributes", "t.attributes"),
        ("token", "t.token"),
    ),
    """CREATE TABLE "bench" (
  "id" INTEGER PRIMARY KEY,
  "quantity" INTEGER,
  "price" REAL,
  "title" TEXT,
  "code" TEXT,
  "active" INTEGER,
  "created_at" TEXT,
  "day" TEXT,
  "attributes" TEXT,
  "token" TEXT
)""",
    frozenset({"id", "quantity", "active"}),
)

NARROW = Work(
    "narrow",
    10_000_000,
    """
    CREATE TABLE narrow (id bigint PRIMARY KEY, amount integer, label text);
    INSERT INTO narrow SELECT i, (i * 7919) % 1000000, 'label ' || i % 1000
    FROM generate_series(1::bigint, {rows}) AS i""",
)

# Values of 50 to 900 KB, text and bytea in turn.
FAT = Work(
    "fat",
    1_000,
    """
    CREATE TABLE fat (id bigint PRIMARY KEY, body text, data bytea);
    INSERT INTO fat SELECT
        i,
        CASE WHEN i % 2 = 0 THEN repeat(md5(i::text), (50000 + (i * 7919) % 850000)::int / 32) END,
        CASE WHEN i % 2 = 1 THEN
            decode(repeat(md5(i::text), (50000 + (i * 7919) % 850000)::int / 16), 'hex')
        END
    FROM generate_series(1::bigint, {rows}) AS i""",
)

_WIDE_TYPES = (
    ("integer", "(i * {n}) % 100000"),
    ("text", "'value ' || (i * {n}) % 100000"),
    ("numeric(12, 2)", "((i * {n}) % 10000000)::numeric / 100"),
    ("boolean", "(i + {n}) % 2 = 0"),
    ("timestamptz", "timestamptz '2020-01-01 00:00:00Z' + i * interval '{n} seconds'"),
    ("double precision", "(i * {n}) / 7.0"),
)
_WIDE_COLUMNS = [(n, *_WIDE_TYPES[n % len(_WIDE_TYPES)]) for n in range(1, 100)]
WIDE = Work(
    "wide",
    100_000,
    f"""
    CREATE TABLE wide (
        id bigint PRIMARY KEY, {", ".join(f"c{n} {kind}" for n, kind, _ in _WIDE_COLUMNS)}
    );
    INSERT INTO wide SELECT i, {
        ", ".join(
            f"CASE WHEN (i + {n}) % 9 <> 0 THEN {sql.format(n=n)} END"
            for n, _, sql in _WIDE_COLUMNS
        )
    }
    FROM generate_series(1::bigint, {{rows}}) AS i""",
)

WORKS = {work.name: work for work in (BENCH, NARROW, FAT, WIDE)}

SMALL_TABLES = 1_000
SMALL_ROWS = 20


def small_tables(tables: int) -> str:
    """The SQL that makes so many small tables, of two indexes each, in the schema `small`."""
    made = [
        f"""CREATE TABLE small.t{n} (id bigint PRIMARY KEY, amount integer, label text);
        CREATE INDEX ON small.t{n} (amount); CREATE INDEX ON small.t{n} (label);
        INSERT INTO small.t{n} SELECT i, i * {n}, 'label ' || i FROM generate_series(1, {SMALL_ROWS}) AS i;
        ANALYZE small.t{n}"""
        for n in range(tables)
    ]
    return ";".join(["DROP SCHEMA IF EXISTS small CASCADE; CREATE SCHEMA small", *made])
