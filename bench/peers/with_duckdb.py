"""DuckDB: one INSERT from its PostgreSQL scanner into its SQLite one, as its documentation has it."""

import sys
from pathlib import Path

import duckdb

dsn, table, file = sys.argv[1:]
connection = duckdb.connect()
for name in ("postgres_scanner", "sqlite_scanner"):
    for found in Path(sys.prefix).rglob(f"{name}.duckdb_extension"):
        connection.execute(f"LOAD '{found}'")
connection.execute(f"ATTACH '{dsn}' AS source (TYPE postgres, READ_ONLY)")
connection.execute(f"ATTACH '{file}' AS target (TYPE sqlite)")
connection.execute(f"CREATE TABLE target.{table} AS SELECT * FROM source.{table}")
