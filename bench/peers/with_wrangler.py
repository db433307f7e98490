"""wrangler: `wrangler d1 execute --remote --file` of what pg_dump writes, into a table made before.

In several files: the local D1 hands each on in one call, which takes 32 MiB.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.engines.install import wrangler_command
from tests.engines.wrangler import Project

FILE_BYTES = 25_000_000
ROWS_A_STATEMENT = 200  # some 40 KB of the 100 KB that D1 takes


def statements(dsn: str, table: str) -> Iterator[list[bytes]]:
    """The lines of each INSERT of a dump: of the rest, SQLite understands next to nothing."""
    command = [
        *("pg_dump", f"--dbname={dsn}", f"--table={table}", "--data-only", "--no-owner"),
        f"--rows-per-insert={ROWS_A_STATEMENT}",
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as dump:
        assert dump.stdout is not None
        statement: list[bytes] = []
        for line in dump.stdout:
            if line.startswith(b"INSERT INTO public."):
                statement = [line.replace(b"public.", b"", 1)]
            elif statement:
                statement.append(line)
            if statement and line.endswith(b");\n"):
                yield statement
                statement = []
    if dump.returncode:
        raise SystemExit(dump.returncode)


def files(dsn: str, table: str, folder: Path) -> list[Path]:
    """The dump, cut between statements."""
    made: list[Path] = []
    lines: list[bytes] = []
    size = 0

    def end() -> None:
        made.append(folder / f"dump-{len(made)}.sql")
        made[-1].write_bytes(b"".join(lines))
        lines.clear()

    for statement in statements(dsn, table):
        lines += statement
        size += sum(map(len, statement))
        if size > FILE_BYTES:
            end()
            size = 0
    if lines:
        end()
    return made


def main() -> None:
    dsn, table, database = sys.argv[1:]
    bound = {"binding": "DB", "database_name": "bench", "database_id": database}
    settings = {"name": "bench", "main": "index.mjs", "compatibility_date": "2025-01-01"}
    project = Project(Path.cwd(), json.dumps({**settings, "d1_databases": [bound]}))
    for file in files(dsn, table, Path.cwd()):
        subprocess.run(
            [*wrangler_command(), "d1", "execute", "bench", "--remote", "--yes", f"--file={file}"],
            check=True,
            stdin=subprocess.DEVNULL,
            env={**os.environ, **project.environment},
        )


if __name__ == "__main__":
    main()
