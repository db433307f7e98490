"""The demo's sample database: a shop, made on the spot by sample.sql."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files

from streamer.demo.postgres import Postgres

DATABASE = "shop"
SIZES = {"customers": 10_000, "products": 2_000, "orders": 22_000, "page_views": 6_000}
"""About 200,000 rows."""
SMALL = {"customers": 400, "products": 80, "orders": 880, "page_views": 240}


def make_shop(server: Postgres, sizes: Mapping[str, int] = SIZES) -> None:
    """Create the database and fill it with as many rows as `sizes` says."""
    server.psql("postgres", f"CREATE DATABASE {DATABASE}")
    settings = "".join(f"\\set {name} {count}\n" for name, count in sizes.items())
    sql = files("streamer.demo").joinpath("sample.sql").read_text(encoding="utf-8")
    server.psql(DATABASE, settings + sql)
