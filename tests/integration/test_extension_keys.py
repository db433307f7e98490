"""Keys of extensions' types and of domains: read by their own operators, resumed, looked up, and upserted by."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from streamer.config import Selection
from streamer.plan import make_plan
from tests.engines.postgres import Database, Postgres
from tests.engines.sqlite_file import PlainFile
from tests.integration.postgres.reading import opened, read_all
from tests.stories.command import Streamer

pytestmark = [pytest.mark.postgres]

MEMBERS = """
CREATE SCHEMA "ex t"; CREATE EXTENSION citext SCHEMA "ex t"; CREATE EXTENSION ltree;
CREATE TABLE member (mail "ex t".citext PRIMARY KEY, name text);
CREATE TABLE folder (owner "ex t".citext REFERENCES member, place ltree, n int, PRIMARY KEY (owner, place));
CREATE TABLE tag (place ltree PRIMARY KEY, n int);
INSERT INTO member SELECT CASE WHEN g % 2 = 0 THEN upper(x) ELSE x END, x
FROM (SELECT g, (ARRAY['a', '_b', 'É', 'Zz', 'ß', 'a-'])[1 + g % 6] || g AS x FROM generate_series(1, 400) AS g) AS m;
INSERT INTO tag SELECT ('Top.k' || g % 20 || '.' || g)::ltree, g FROM generate_series(1, 400) AS g;
INSERT INTO folder SELECT lower(mail::text), place, n FROM member, tag WHERE n % 40 = 0;
"""


@pytest.fixture(params=["C", "icu"])
async def collated(
    request: pytest.FixtureRequest, older_postgres: Postgres
) -> AsyncIterator[Database]:
    """A database of the older server, in byte order and in that of a language."""
    how = {
        "C": "LC_COLLATE 'C' LC_CTYPE 'C.UTF-8'",
        "icu": "LOCALE_PROVIDER icu ICU_LOCALE 'en-US' LC_COLLATE 'C' LC_CTYPE 'C.UTF-8'",
    }[request.param]
    name = f"keys_{request.param.lower()}"
    await older_postgres.execute(
        "postgres", f"CREATE DATABASE {name} TEMPLATE template0 ENCODING 'UTF8' {how}"
    )
    yield Database(older_postgres, name)
    await older_postgres.drop_database(name)


CODES = """
CREATE DOMAIN code AS text COLLATE "C";
CREATE TABLE coded (k code COLLATE "default" PRIMARY KEY, n int);
INSERT INTO coded SELECT CASE WHEN g % 2 = 0 THEN 'a' ELSE 'B' END || g, g FROM generate_series(1, 400) AS g;
ALTER DOMAIN code ADD CHECK (VALUE <> 'a200') NOT VALID;
"""


async def test_keys_of_a_domain_are_read_in_their_column_s_order_behind_any_of_them(
    collated: Database,
):
    await collated.execute(CODES)

    async with opened(collated) as source:
        (plan,) = make_plan(await source.catalog(), Selection()).tables
        whole = await read_all(source, plan, rows=7)
        rests = [await read_all(source, plan, after=row.key, rows=50) for row in whole[::40]]

    ordered = await collated.fetch("SELECT k::text FROM coded ORDER BY k")
    assert [row.key[0] for row in whole] == [key for (key,) in ordered]
    assert rests == [whole[at + 1 :] for at in range(0, len(whole), 40)]


async def test_pages_behind_every_key_are_complete_in_any_collation(collated: Database):
    await collated.execute(MEMBERS)

    async with opened(collated) as source:
        planned = make_plan(await source.catalog(), Selection(schemas=("public",)))
        for plan in planned.tables:
            whole = await read_all(source, plan, rows=97)
            at = len(whole) // 2
            rest = await read_all(source, plan, after=whole[at].key, rows=50)
            keys = [row.key for row in whole]
            pages = await source.lookup(plan, [tuple(p.swapcase() for p in k) for k in keys[:50]])
            found = sum(len(page.records) for page in pages)

            (counted,) = await collated.fetch(f"SELECT count(*) FROM {plan.name}")
            assert len(set(keys)) == len(keys) == counted[0]
            assert rest == whole[at + 1 :]
            # An owner in another case is the same owner; ltree's labels in another case are others.
            assert found == (50 if plan.target == "member" else 0)
    assert len(planned.tables) == 3


def test_tables_keyed_by_them_are_brought_up_to_date_row_by_row(database: Database, tmp_path: Path):
    database.execute_now(MEMBERS)
    file = PlainFile(tmp_path / "shop.db")
    streamer = Streamer(tmp_path, database, file, "")
    first = streamer("run")
    assert first.code == 0, first.said
    database.execute_now(
        'UPDATE member SET mail = upper(mail::text)::"ex t".citext,'
        " name = 'new' WHERE mail::text = '_b7';"
        "INSERT INTO member VALUES ('New', 'new'); INSERT INTO folder VALUES ('NEW', 'Top.x', 1);"
        "UPDATE tag SET n = -1 WHERE place = 'Top.k7.7'"
    )

    second = streamer("run", "--restart", "--if-exists", "upsert")

    assert second.code == 0, second.said
    assert file.rows(
        "", "SELECT mail, name FROM member WHERE name = 'new' ORDER BY mail COLLATE BINARY"
    ) == [
        ["New", "new"],
        ["_B7", "new"],
    ]
    assert file.rows("", "SELECT count(*) FROM member") == [[401]]
    assert file.rows("", "SELECT owner FROM folder WHERE n = 1") == [["NEW"]]
    assert file.rows("", "SELECT n FROM tag WHERE place = 'Top.k7.7'") == [[-1]]
    assert file.rows("", "PRAGMA foreign_key_check") == []
