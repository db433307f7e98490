"""The example of docs/types.md, on a database that it could have been written for."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.engines.postgres import Database

pytestmark = pytest.mark.processes

ROOT = Path(__file__).resolve().parents[2]
SHOP = """
CREATE SCHEMA sales;
CREATE SCHEMA audit;
CREATE SCHEMA "odd.schema";
CREATE TABLE users (id bigint PRIMARY KEY, name text, password_digest text, prefs json);
CREATE TABLE sales.campaigns (id int PRIMARY KEY);
CREATE TABLE sales.orders_old (id int PRIMARY KEY);
CREATE TABLE sales.orders (
    id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, created_at timestamptz NOT NULL,
    cancelled boolean NOT NULL, scan bytea, internal_note text, "Total" numeric(10, 2),
    campaign int CONSTRAINT orders_campaign_fkey REFERENCES sales.campaigns,
    customer_email text UNIQUE, customer_name text, city text, external_id bigint
);
CREATE TABLE audit.log (at timestamptz NOT NULL, host text NOT NULL, message text, noise text);
CREATE TABLE "odd.schema"."the table" (id int PRIMARY KEY);
"""


def test_the_guide_s_example_fits_the_database_that_it_speaks_of(
    tmp_path: Path, database: Database
) -> None:
    database.execute_now(SHOP)
    guide = (ROOT / "docs" / "types.md").read_text()
    found = re.search(r"^```toml\n(.*?)^```$", guide, re.DOTALL | re.MULTILINE)
    assert found is not None
    # The test's own database instead of the example's.
    settings = re.sub(r"\[source\].*?\n\n", "", found[1], flags=re.DOTALL)
    (tmp_path / "streamer.toml").write_text(settings)
    (tmp_path / "shop_moves.py").write_text("def orders(row):\n    return row\n")

    done = subprocess.run(
        [sys.executable, "-m", "streamer", "schema", "--config", "streamer.toml"],
        cwd=tmp_path,
        env={
            "PATH": os.environ["PATH"],
            "HOME": str(tmp_path),
            "PYTHONPATH": str(ROOT),
            "POSTGRES_DSN": database.dsn,
            "STREAMER_HASH_KEY": "0123456789abcdef",
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert (done.returncode, done.stderr.count("streamer: ")) == (0, 0), done.stderr
    tables = re.findall(r'^CREATE TABLE "(\w+)" \((.*?)^\)', done.stdout, re.DOTALL | re.MULTILINE)
    columns = {name: re.findall(r'^  "(\w+)"', body, re.MULTILINE) for name, body in tables}
    assert columns == {
        "users": ["id", "name", "prefs"],
        "sales__campaigns": ["id"],
        "audit_log": ["at", "host", "message"],
        "shop_orders": [
            *("id", "created_at", "cancelled", "total", "campaign"),
            *("customer_email", "customer_name", "city", "external"),
        ],
    }
