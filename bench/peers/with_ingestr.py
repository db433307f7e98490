"""ingestr: `ingestr ingest`."""

import os
import subprocess
import sys
from pathlib import Path

dsn, table, file = sys.argv[1:]
options = {
    "--progress": "log",
    "--source-uri": f"{dsn}?sslmode=disable",
    "--source-table": f"public.{table}",
    "--dest-uri": f"sqlite:///{file}",
    "--dest-table": f"main.{table}",
}
program = Path(sys.prefix) / "bin" / "ingestr"
subprocess.run(
    [program, "ingest", "--yes", *(word for option in options.items() for word in option)],
    check=True,
    env={**os.environ, "DISABLE_TELEMETRY": "true"},
)
