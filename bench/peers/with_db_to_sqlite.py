"""db-to-sqlite: its command line."""

import subprocess
import sys
from pathlib import Path

dsn, table, file = sys.argv[1:]
dsn = dsn.replace("postgresql://", "postgresql+psycopg2://")
subprocess.run([Path(sys.prefix) / "bin" / "db-to-sqlite", dsn, file, "--table", table], check=True)
