"""Breaks one safeguard after another in a copy of the tree, and says who noticed: `make mutants`.

`python -m tests.mutants [WORD]` tries those whose name holds WORD.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.mutants.breaks import Break
from tests.mutants.every import EVERY

ROOT = Path(__file__).parents[2]
_LONGEST_S = 600.0


def main() -> int:
    """How many broken safeguards nobody noticed, or couldn't be broken."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__)
    parser.add_argument("word", nargs="?", default="", help="only those whose name holds this")
    word = parser.parse_args().word
    chosen = [one for one in EVERY if word in one.name]
    if stale := [f"{one.name}: {why}" for one in chosen if (why := one.misfit(ROOT))]:
        print("STALE", *stale, sep="\n")
        return min(len(stale), 100)
    alive = 0
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        tree = Path(folder) / "tree"
        _copy(tree)
        if failed := _noticed_by(tree, _everything(chosen)):
            print(f"the tree isn't sound as it is: {failed}")
            return 1
        for one in chosen:
            alive += not _is_noticed(tree, one)
    print(f"{len(chosen)} safeguards broken, {alive} not noticed")
    return min(alive, 100)


def _copy(tree: Path) -> None:
    """What git knows of the tree, as it is now, and the engines beside it."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    for name in listed.stdout.splitlines():
        if (ROOT / name).is_file():
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, tree / name)
    for name in ("node_modules", ".venv"):
        if (ROOT / name).is_dir():
            (tree / name).symlink_to(ROOT / name)


def _everything(chosen: list[Break]) -> Break:
    """All who should notice any of them, each once; nothing is broken."""
    named = dict.fromkeys(test for one in chosen for test in one.tests)
    once = [test for test in named if "::" not in test or test.partition("::")[0] not in named]
    histories = min(30, max((one.histories for one in chosen), default=0))
    return Break("nothing", "", "", "", tuple(once), histories)


def _is_noticed(tree: Path, one: Break) -> bool:
    """Break it, look who notices, and mend it again."""
    path = tree / one.file
    whole = path.read_text()
    began = time.monotonic()
    path.write_text(one.broken(whole))
    try:
        witness = _noticed_by(tree, one)
    finally:
        path.write_text(whole)
    verdict = f"noticed by {witness}" if witness else "NOT NOTICED"
    print(f"{one.name}: {verdict}, {time.monotonic() - began:.0f} s", flush=True)
    return bool(witness)


def _noticed_by(tree: Path, one: Break) -> str:
    """The first that fails; '' where nothing does."""
    if one.histories:
        options = ["--histories", str(one.histories), "--stop"]
        if said := _failure(tree, ["-m", "tests.simulation", *options]):
            return f"the simulation ({said})"
    options = ["-x", "-q", "--timeout=120", "-p", "no:randomly", "-p", "no:cacheprovider"]
    for test in one.tests:
        if said := _failure(tree, ["-m", "pytest", *options, test]):
            return f"{test} ({said})"
    return ""


def _failure(tree: Path, command: list[str]) -> str:
    """The line that tells of a failure; '' where all is well."""
    environment = {
        **os.environ,
        "PYTHONPATH": str(tree),
        "PYTHONHASHSEED": "0",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    try:
        ended = subprocess.run(
            [sys.executable, *command],
            cwd=tree,
            env=environment,
            check=False,
            capture_output=True,
            text=True,
            timeout=_LONGEST_S,
        )
    except subprocess.TimeoutExpired:
        return "it never ended"
    if ended.returncode == 0:
        return ""
    lines = [*ended.stdout.splitlines(), *ended.stderr.splitlines()]
    telling = [line for line in lines if line.startswith(("FAILED", "ERROR"))]
    return (telling or lines or ["no word"])[0][:160]


if __name__ == "__main__":
    sys.exit(main())
