"""docs/performance.md, made from bench/results: `python -m bench.page` writes it anew."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from bench.bars import Bound, Verdict, verdict_rows
from bench.figures import Figures
from bench.report import HEADS, RESULTS, cells

PAGE = Path(__file__).resolve().parents[1] / "docs" / "performance.md"
FOUND = Path(__file__).parent / "found.md"
ORDER = (
    "moving",
    "shapes",
    "pacing",
    "resuming",
    "starting",
    "files",
    "growth",
    "adapting",
    "grid",
    "peers-d1",
    "peers",
)
HEAD = """\
# Performance

Made from the results in bench/results (`make bench` measures and writes this page;
`python -m bench.page` writes it from the last results).

What is measured: moving generated tables from a real PostgreSQL into the real D1 engine (workerd,
behind Cloudflare's REST paths) on one machine, each run a process of its own, figures by the
operating system. *The floor* is what a run sent, recorded and sent again by a loop that does nothing
else; *rows alone* are the same rows, made without the product, with nothing around them. Figures are medians; what is compared ran in turn. A bar is what was aimed at before it was
measured.

| Table | Rows | What it is |
|---|---:|---|
| bench | 1,000,000 | 10 columns of as many types, NULLs, about 230 bytes a row in the request |
| narrow | 10,000,000 | 3 columns |
| wide | 100,000 | 100 columns |
| fat | 1,000 | texts and bytea of 50 to 900 KB |

## To repeat it

```
make bench                      # all, about half an hour
make bench-peers                # installs other tools into bench/.peers and runs them beside
.venv/bin/python -m bench P1 P8 --pairs 3
.venv/bin/python -m bench --quick
.venv/bin/python -m bench grid  # settings beside each other on the real engine, 7 minutes
.venv/bin/python -m bench P1 -- --concurrency 4 --pushdown json
.venv/bin/python -m bench.estimates bench my.sql   # what plan says beside what a run does
```
"""


def page(results: Path = RESULTS) -> str:
    """The page as it must be."""
    parts = [HEAD]
    for name in ORDER:
        path = results / f"{name}.json"
        if path.exists():
            parts.append(_section(json.loads(path.read_text())))
    parts.append(FOUND.read_text())
    return "\n\n".join(part.strip("\n") for part in parts) + "\n"


def write() -> None:
    """Write the page."""
    PAGE.write_text(page())


def _section(result: dict[str, Any]) -> str:
    lines = [Figures(**line) for line in result["lines"]]
    verdicts = [
        Verdict(**{**verdict, "bound": Bound(verdict["bound"])}) for verdict in result["verdicts"]
    ]
    parts = [f"## {result['title']}", _where(result)]
    if lines:
        rows = list(map(cells, lines))
        used = [at for at in range(len(HEADS)) if at == 0 or any(row[at] for row in rows)]
        heads = [HEADS[at] for at in used]
        parts.append(_table(heads, [[row[at] for at in used] for row in rows], right=1))
    if verdicts:
        heads = ["Bar", "", "Figure", "Must be", "Ratio", ""]
        parts.append(_table(heads, verdict_rows(verdicts), right=2))
    parts += result["notes"]
    return "\n\n".join(parts)


def _where(result: dict[str, Any]) -> str:
    machine, versions = result["machine"], result["versions"]
    named = ("workerd", "python", "asyncpg", "aiohttp", "orjson")
    with_versions = ", ".join(f"{name} {versions[name]}" for name in named if versions.get(name))
    return (
        f"Measured {result['measured_at'][:10]} on {machine['cpus']} CPUs"
        f" ({machine['processor']}, {machine['memory_mb'] / 1024:.0f} GiB); {with_versions}."
    )


def _table(heads: list[str], rows: Any, *, right: int) -> str:
    rule = ["---" if at < right else "---:" for at in range(len(heads))]
    return "\n".join("| " + " | ".join(row) + " |" for row in [heads, rule, *rows])


if __name__ == "__main__":
    write()
