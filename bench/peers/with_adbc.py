"""ADBC: record batches from its PostgreSQL driver into its SQLite one."""

import sys

from adbc_driver_postgresql import dbapi as postgresql
from adbc_driver_sqlite import dbapi as sqlite

dsn, table, file = sys.argv[1:]
# Of types that Arrow doesn't have, its driver gives PostgreSQL's bytes: these are printed.
columns = (
    "id, quantity, price::text AS price, title, code, active, created_at, day, "
    "attributes::text AS attributes, token::text AS token"
)
with (
    postgresql.connect(dsn) as source,
    source.cursor() as reader,
    sqlite.connect(file) as target,
    target.cursor() as writer,
):
    reader.execute(f"SELECT {columns} FROM {table}")
    writer.adbc_ingest(table, reader.fetch_record_batch(), mode="create")
    target.commit()
