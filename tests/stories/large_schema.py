"""Schemas such as years of work leave behind: hundreds of objects of every kind, by a seed.

Every table has the rows 1 to ROWS, and all values are made from a row's number; so foreign keys
hold whatever they refer to, in cycles too.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random

ROWS = 7
SCHEMAS = ("public", "app", "Old stuff")

TYPES = """\
CREATE SCHEMA app;
CREATE SCHEMA "Old stuff";
CREATE TYPE app.mood AS ENUM ('glad', 'O''Hara', '', 'so "so"', 'Glad');
CREATE DOMAIN app.amount AS numeric(12,2) DEFAULT 1.50 CHECK (VALUE >= 0);
CREATE DOMAIN app.code AS varchar(20) CONSTRAINT short CHECK (length(VALUE) < 20);
CREATE DOMAIN app.percent AS smallint NOT NULL DEFAULT 5 CHECK (VALUE BETWEEN 0 AND 100);
CREATE FUNCTION app.twice(integer) RETURNS integer LANGUAGE sql IMMUTABLE AS 'SELECT 2 * $1';
CREATE FUNCTION app.touch() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE SEQUENCE app.tickets START 100 INCREMENT 5;
"""

# A type, and the value of row g in it: all different where it must be unique.
VALUES = {
    "integer": "g - 3",
    "bigint": "g * 1311768467463790320",
    "smallint": "g::smallint",
    "text": "repeat(chr(34), g) || ' é' || g",
    "varchar(40)": "'it''s ' || g",
    "char(6)": "'c' || g",
    "boolean": "g % 2 = 0",
    "numeric(10,2)": "g * 1.25",
    "numeric": "g + 0.000000000000000000001",
    "real": "g / 8.0",
    "double precision": "g / 3.0::float8",
    "date": "date '2024-02-26' + g",
    "timestamp": "timestamp '2024-02-29 12:30:45' + g * interval '1 day 0.5 s'",
    "timestamptz": "timestamptz '2024-02-29 12:30:45+05:30' + g * interval '7 h'",
    "time": "time '01:02:03' + g * interval '1 h 1 us'",
    "interval": "g * interval '1 mon -1 day 1 s'",
    "uuid": "md5(g::text)::uuid",
    "bytea": "decode(md5(g::text), 'hex')",
    "json": "format('{\"a\": [%s, 1.0]}', g)::json",
    "jsonb": "jsonb_build_object('a', g, 'b', NULL)",
    "text[]": "ARRAY['x' || g, NULL, '\"']",
    "integer[]": "ARRAY[[g, NULL], [3, 4]]",
    "app.mood": "(enum_range(NULL::app.mood))[1 + g % 5]",
    "app.amount": "g * 2.5",
    "app.code": "'C-' || g",
    "app.percent": "(g * 10)::smallint",
    "int4range": "int4range(g, g + 5)",
    "cidr": "set_masklen('10.0.0.0'::cidr, 24 + g % 8)",
    "tsvector": "to_tsvector('simple', 'word' || g)",
}
DEFAULTS = {
    "integer": ("0", "-1", "42", "app.twice(4)", "nextval('app.tickets')"),
    "text": ("''", "'it''s'", "E'new\\nline'", "current_user", "upper('a')"),
    "varchar(40)": ("'none'", "NULL"),
    "boolean": ("true", "false"),
    "numeric(10,2)": ("0", "9.90"),
    "date": ("CURRENT_DATE", "'2024-02-29'"),
    "timestamptz": ("now()", "'2024-02-29 00:00:00+02'", "now() + interval '1 day'"),
    "timestamp": ("CURRENT_TIMESTAMP", "now() AT TIME ZONE 'utc'"),
    "uuid": ("gen_random_uuid()",),
    "jsonb": ("'{}'", "'[]'"),
    "text[]": ("'{}'",),
    "app.mood": ("'glad'",),
    "double precision": ("0.1", "random()"),
}
CHECKS = {
    "integer": ("{c} > -100", "{c} <> 77 OR {c} IS NULL", "app.twice({c}) < 100", "{c} % 2 < 2"),
    "text": ("{c} <> ''", "length({c}) < 200", "{c} !~ '^z'", "{c} NOT LIKE 'x%'"),
    "varchar(40)": ("char_length({c}) <= 40", "{c} IN ('a', 'b') OR {c} LIKE 'it%'"),
    "numeric(10,2)": ("{c} >= 0", "{c} BETWEEN 0 AND 1000"),
    "date": ("{c} >= '2000-01-01'", "{c} < '3000-01-01'::date"),
    "boolean": ("{c} IS NOT NULL OR {c} IS NULL",),
    "bigint": ("{c} > 0",),
    "text[]": ("cardinality({c}) < 10",),
    "jsonb": ("jsonb_typeof({c}) = 'object'",),
    "app.mood": ("{c} <> 'Glad' OR {c} = 'Glad'",),
    "double precision": ("{c} >= 0.0",),
}
GENERATED = {
    "integer": ("bigint", "{c} * 2"),
    "text": ("text", "lower({c}) || '!'"),
    "varchar(40)": ("integer", "length({c})"),
    "numeric(10,2)": ("numeric(14,3)", "{c} * 1.5"),
    "jsonb": ("text", "{c} ->> 'a'"),
}
INDEXES = {
    "text": ('("{c}" text_pattern_ops)', '(lower("{c}"))', '("{c}" COLLATE "C" DESC)'),
    "integer": ('("{c}" DESC NULLS LAST)', '(("{c}" + 1))', '("{c}") WHERE "{c}" > 0'),
    "jsonb": ('USING gin ("{c}")', "((\"{c}\" ->> 'a'))"),
    "int4range": ('USING gist ("{c}")',),
    "tsvector": ('USING gin ("{c}")',),
    "date": ('USING brin ("{c}")', '("{c}") WHERE "{c}" IS NOT NULL'),
    "uuid": ('USING hash ("{c}")',),
    "boolean": ('("{c}") WHERE NOT "{c}"',),
}
KEYS = {
    "serial": ["g"],
    "integer": ["g"],
    "bigint GENERATED ALWAYS AS IDENTITY": ["g"],
    "smallserial": ["g"],
    "uuid": ["md5(g::text)::uuid"],
    "text": ["'k' || g"],
    "date": ["date '2024-01-01' + g"],
    "app.code": ["'C' || g"],
    "pair": ["g", "'k' || g"],
    "none": [],
}
REFERS = {
    "serial": "integer",
    "bigint GENERATED ALWAYS AS IDENTITY": "bigint",
    "smallserial": "smallint",
}
ACTIONS = ("", " ON DELETE CASCADE", " ON DELETE SET NULL", " ON UPDATE CASCADE")
DEFERRAL = ("", " DEFERRABLE", " DEFERRABLE INITIALLY DEFERRED")


@dataclass
class _Table:
    """A table in the making: `values` are each column's name, and its value of row g."""

    name: str
    key: str
    key_columns: list[tuple[str, str]]
    values: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    parts: list[str] = field(default_factory=list[str])


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def large_schema(seed: int, tables: int = 100) -> str:
    """A script that makes about a dozen times `tables` objects and fills them."""
    dice = Random(seed)
    made = [_table(dice, number) for number in range(tables)]
    script = [TYPES, *(f"CREATE TABLE {t.name} ({', '.join(t.parts)});" for t in made)]
    script += [line for number, table in enumerate(made) for line in _around(dice, number, table)]
    script += _partitioned(dice, tables // 20 + 1)
    references = [line for table in made for line in _references(dice, table, made)]
    inserts = [
        f"INSERT INTO {t.name} ({', '.join(quoted(n) for n, _ in t.values)}) OVERRIDING SYSTEM VALUE"
        f" SELECT {', '.join(value for _, value in t.values)} FROM generate_series(1, {ROWS}) AS g;"
        for t in made
    ]
    return "\n".join([*script, *references, *inserts])


def _table(dice: Random, number: int) -> _Table:
    """Columns with defaults and constraints, in any of three schemas."""
    schema = quoted(dice.choice(SCHEMAS))
    key = dice.choice([*KEYS])
    words = f"{schema}.{quoted(dice.choice(['t', 'Table ', 'order_']) + str(number))}"
    table = _Table(words, key, [])
    kinds = [REFERS.get(key, key)] if key != "pair" else ["integer", "text"]
    for at, value in enumerate(KEYS[key]):
        name = dice.choice(["id", "key", "No"]) + ("" if at == 0 else str(at))
        table.key_columns.append((name, kinds[at]))
        table.values.append((name, value))
        table.parts.append(f"{quoted(name)} {kinds[at] if key == 'pair' else key} NOT NULL")
    if key != "none":
        names = ", ".join(quoted(name) for name, _ in table.key_columns)
        table.parts.append(f"{dice.choice(['PRIMARY KEY', 'PRIMARY KEY', 'UNIQUE'])} ({names})")
    for at, kind in enumerate(dice.sample([*VALUES], dice.randint(2, 9))):
        _column(dice, table, f"c{at}{dice.choice(['', ' x', 'Ä', '$'])}", kind)
    return table


def _column(dice: Random, table: _Table, name: str, kind: str) -> None:
    column = quoted(name)
    parts = [column, kind]
    nullable = dice.random() < 0.6
    if not nullable:
        parts.append("NOT NULL")
    if kind in DEFAULTS and dice.random() < 0.5:
        parts.append(f"DEFAULT ({dice.choice(DEFAULTS[kind])})")
    if kind in CHECKS and dice.random() < 0.5:
        parts.append(f"CHECK ({dice.choice(CHECKS[kind]).format(c=column)})")
    if kind not in {"json", "boolean", "app.mood", "cidr"} and dice.random() < 0.15:
        parts.append(f"UNIQUE{dice.choice(DEFERRAL)}")
    table.parts.append(" ".join(parts))
    value = VALUES[kind]
    sometimes = nullable and kind != "app.percent" and dice.random() < 0.4
    table.values.append((name, f"CASE WHEN g % 3 > 0 THEN {value} END" if sometimes else value))
    if kind in GENERATED and dice.random() < 0.3:
        made, expression = GENERATED[kind]
        table.parts.append(
            f"{quoted(name + '_gen')} {made} GENERATED ALWAYS AS ({expression.format(c=column)}) STORED"
        )


def _around(dice: Random, number: int, table: _Table) -> list[str]:
    """What stands beside a table: indexes, triggers, policies, views, comments, heirs."""
    found: list[str] = []
    for part in table.parts:
        name, kind = part.split('"')[1], part.split('"')[2].strip()
        for known, forms in INDEXES.items():
            if (kind + " ").startswith(known + " ") and dice.random() < 0.7:
                found.append(f"CREATE INDEX ON {table.name} {dice.choice(forms).format(c=name)};")
    first = quoted(table.values[-1][0])
    if dice.random() < 0.3:
        found.append(
            f"CREATE TRIGGER touched BEFORE UPDATE ON {table.name}"
            " FOR EACH ROW EXECUTE FUNCTION app.touch();"
        )
    if dice.random() < 0.15:
        found.append(f"ALTER TABLE {table.name} ENABLE ROW LEVEL SECURITY;")
        found.append(f"CREATE POLICY all_of_it ON {table.name} USING (true);")
    if dice.random() < 0.2:
        found.append(f"CREATE VIEW app.view_{number} AS SELECT {first} FROM {table.name};")
    if dice.random() < 0.1:
        found.append(
            f"CREATE MATERIALIZED VIEW app.mv_{number} AS SELECT {first} FROM {table.name};"
        )
    if dice.random() < 0.2:
        found.append(f"COMMENT ON COLUMN {table.name}.{first} IS 'it''s -- a comment\n*/';")
    if dice.random() < 0.08:
        found.append(f"CREATE TABLE app.heir_{number} (more text) INHERITS ({table.name});")
    return found


def _references(dice: Random, table: _Table, tables: list[_Table]) -> list[str]:
    """Foreign keys to any tables that have a key: itself, earlier and later ones."""
    found: list[str] = []
    for number in range(dice.choice([0, 1, 1, 2, 3])):
        parent = dice.choice(tables)
        if not parent.key_columns:
            continue
        names = [f"ref{number}_{at}" for at in range(len(parent.key_columns))]
        needed = " NOT NULL" if dice.random() < 0.15 else ""
        for name, (_, kind), value in zip(names, parent.key_columns, KEYS[parent.key], strict=True):
            found.append(f"ALTER TABLE {table.name} ADD {name} {kind}{needed};")
            some = value if needed else f"CASE WHEN g % 4 > 0 THEN {value} END"
            table.values.append((name, some))
        columns = ", ".join(quoted(name) for name, _ in parent.key_columns)
        action = dice.choice(ACTIONS) if not needed else dice.choice(ACTIONS[:2])
        found.append(
            f"ALTER TABLE {table.name} ADD FOREIGN KEY ({', '.join(names)}) REFERENCES"
            f" {parent.name} ({columns}){action}{dice.choice(DEFERRAL)};"
        )
        if dice.random() < 0.5:
            found.append(f"CREATE INDEX ON {table.name} ({', '.join(names)});")
    return found


def _partitioned(dice: Random, count: int) -> list[str]:
    """Partitioned tables of every kind, one with partitions of partitions."""
    found: list[str] = []
    for number in range(count):
        name = f"app.parts_{number}"
        kind = dice.choice(["range", "list", "hash"])
        found.append(
            f"CREATE TABLE {name} (id integer, on_day date NOT NULL, what text DEFAULT 'x',"
            f" PRIMARY KEY (id{', on_day' if kind == 'range' else ''}))"
            f" PARTITION BY {kind} ({'on_day' if kind == 'range' else 'id'});"
        )
        bounds = {
            "range": ["FROM ('2024-01-01') TO ('2024-03-01')", ""],
            "list": ["IN (1, 2, 3)", ""],
            "hash": ["WITH (MODULUS 2, REMAINDER 0)", "WITH (MODULUS 2, REMAINDER 1)"],
        }[kind]
        for at, bound in enumerate(bounds):
            values = f"FOR VALUES {bound}" if bound else "DEFAULT"
            deeper = " PARTITION BY HASH (id)" if at else ""
            found.append(f"CREATE TABLE {name}_{at} PARTITION OF {name} {values}{deeper};")
        found.append(
            f"CREATE TABLE {name}_deep PARTITION OF {name}_1"
            " FOR VALUES WITH (MODULUS 1, REMAINDER 0);"
        )
        found.append(f"CREATE INDEX ON {name} (what);")
        found.append(
            f"INSERT INTO {name} SELECT g, date '2024-02-26' + g, 'x' || g"
            f" FROM generate_series(1, {ROWS}) AS g;"
        )
    return found
