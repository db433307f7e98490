"""Three hundred histories: whatever breaks, and whenever, the rows arrive as promised."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

HISTORIES = 55
FIRST = range(1, 1 + 6 * HISTORIES, HISTORIES)
ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("first", FIRST)
def test_runs_that_are_killed_and_resumed_amid_faults_lose_double_and_alter_nothing(
    first: int,
) -> None:
    # A process of its own, since a replay is exact only with the hashes of that process.
    played = subprocess.run(
        [
            *(sys.executable, "-m", "tests.simulation"),
            *("--seed", str(first), "--histories", str(HISTORIES)),
        ],
        cwd=ROOT,
        env={**os.environ, "PYTHONHASHSEED": "0"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert played.returncode == 0, played.stdout + played.stderr
    assert f"{HISTORIES} histories" in played.stdout
