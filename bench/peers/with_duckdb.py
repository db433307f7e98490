"""DuckDB: one INSERT from its PostgreSQL scanner into its SQLite one, as its documentation has it."""

import sys

import duckdb
from duckdb_extensions import import_extension

dsn, table, file = sys.argv[1:]
for name in ("postgres_scanner", "sqlite_scanner"):
    import_extension(name)
connection = duckdb.connect()
for name in ("postgres_scanner", "sqlite_scanner"):
    connection.execute(f"LOAD {name}")
connection.execute(f"ATTACH '{dsn}' AS source (TYPE postgres, READ_ONLY)")
connection.execute(f"ATTACH '{file}' AS target (TYPE sqlite)")
connection.execute(f"CREATE TABLE target.{table} AS SELECT * FROM source.{table}")
