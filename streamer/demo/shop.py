"""The demo's sample database: a shop, made on the spot by sample.sql."""

from __future__ import annotations

from importlib.resources import files

from streamer.demo.postgres import Postgres

DATABASE = "shop"
CUSTOMERS, PRODUCTS, ORDERS, PAGE_VIEWS = 20_000, 4_000, 44_000, 12_000  # about 200,000 rows


def make_shop(server: Postgres) -> None:
    """Create the database and fill it."""
    server.psql("postgres", f"CREATE DATABASE {DATABASE}")
    sizes = {
        "customers": CUSTOMERS,
        "products": PRODUCTS,
        "orders": ORDERS,
        "page_views": PAGE_VIEWS,
    }
    settings = "".join(f"\\set {name} {count}\n" for name, count in sizes.items())
    sql = files("streamer.demo").joinpath("sample.sql").read_text(encoding="utf-8")
    server.psql(DATABASE, settings + sql)
