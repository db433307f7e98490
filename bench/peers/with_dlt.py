"""dlt: its sql_database source into its SQLAlchemy destination."""

import os
import sys
from pathlib import Path

os.environ["RUNTIME__DLTHUB_TELEMETRY"] = "false"

import dlt
from dlt.sources.sql_database import sql_database

dsn, table, file = sys.argv[1:]
pipeline = dlt.pipeline(
    pipeline_name="bench",
    pipelines_dir=str(Path(file).parent / "dlt"),
    destination=dlt.destinations.sqlalchemy(f"sqlite:///{file}"),
    dataset_name="main",
)
source = sql_database(
    dsn.replace("postgresql://", "postgresql+psycopg2://"), schema="public", table_names=[table]
)
pipeline.run(source, write_disposition="replace")
