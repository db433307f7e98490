"""The real engine as the tests use it."""

import sqlite3
from pathlib import Path

import pytest

from tests.engines.workerd import Workerd

pytestmark = [pytest.mark.workerd, pytest.mark.processes]


def test_its_state_survives_a_restart_and_a_kill(tmp_path: Path) -> None:
    with Workerd(tmp_path / "state") as workerd:
        uuid = workerd.create("shop")
        port = workerd.port
        workerd.run(uuid, "CREATE TABLE t (a); INSERT INTO t VALUES (1)")

        workerd.restart()
        workerd.run(uuid, "INSERT INTO t VALUES (2)")
        workerd.kill()
        workerd.start()

        assert (workerd.port, workerd.find("shop")) == (port, uuid)
        assert workerd.rows(uuid, "SELECT a FROM t") == [[1], [2]]

    file = sqlite3.connect(workerd.database_file(uuid))
    assert file.execute("SELECT a FROM t").fetchall() == [(1,), (2,)]
    file.close()
