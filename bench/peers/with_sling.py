"""Sling: `sling run` into a file or a d1:// URL; `SQLITE_PATH` keeps it from downloading a shell."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

dsn, table, target = sys.argv[1:]
program = next(Path(sys.prefix).rglob("bin/sling-linux-amd64"))
program.chmod(0o755)
options = {
    "--src-conn": "SOURCE",
    "--src-stream": f"public.{table}",
    "--tgt-conn": "TARGET",
    "--tgt-object": f"main.{table}",
    "--mode": "full-refresh",
}
subprocess.run(
    [program, "run", *(word for option in options.items() for word in option)],
    check=True,
    env={
        **os.environ,
        "SOURCE": f"{dsn}?sslmode=disable",
        "TARGET": target if target.startswith("d1://") else f"sqlite://{target}",
        "SQLITE_PATH": shutil.which("sqlite3") or "/usr/bin/sqlite3",
        "SLING_HOME_DIR": os.environ["HOME"],
        "SLING_DISABLE_TELEMETRY": "true",
    },
)
