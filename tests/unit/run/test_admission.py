"""Whether a run may start on a target: each reason not to, and all of them at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from streamer.errors import RefusedError, UsageError
from streamer.model import IfExists, Plan
from streamer.run.admission import (
    MOST_LINES,
    Found,
    admit,
    found,
    listed,
    refuse_what_cannot_move,
    shortened,
    unlike,
)
from streamer.run.schema import create
from streamer.run.survey import Survey, survey
from tests.engines.catalogs import (
    CITEXT,
    INT4,
    TEXT,
    column,
    identified,
    plan_of,
    primary,
    refers,
    table,
)
from tests.engines.sqlite_database import SqliteDatabase

PLAN = plan_of(
    identified("shop", column("name", TEXT)),
    identified("sale", column("shop", INT4), keys=[refers("f", "shop", "shop")]),
    table("log", column("line", TEXT)),
)


async def seen_by(*sql: str, made: Plan | None = None) -> Survey:
    """What a run sees where the tables of `made` are, and `sql` was carried out."""
    database = SqliteDatabase()
    if made:
        await create(database, made.tables)
    for one in sql:
        database.rows(one)
    return await survey(database)


def refused(
    seen: Survey,
    if_exists: IfExists = IfExists.FAIL,
    *,
    create_schema: bool = True,
    ours: Sequence[str] = (),
) -> str:
    """What is said against a run of PLAN; '' where nothing is."""
    try:
        admit(PLAN.tables, seen, if_exists=if_exists, create_schema=create_schema, ours=ours)
    except UsageError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("if_exists", IfExists)
async def test_an_empty_target_and_one_with_our_empty_tables_are_fine(if_exists: IfExists) -> None:
    assert refused(await seen_by(), if_exists) == ""
    assert refused(await seen_by(made=PLAN), if_exists) == ""
    assert refused(await seen_by(made=PLAN), if_exists, create_schema=False) == ""


async def test_every_table_that_is_missing_is_named_where_none_may_be_made() -> None:
    said = refused(await seen_by("CREATE TABLE log(line TEXT)"), create_schema=False)

    assert "shop, sale: not in D1" in said
    assert "--no-schema" in said


@pytest.mark.parametrize(
    ("sql", "words"),
    [
        ("CREATE VIEW shop AS SELECT 1 AS id, '' AS name", "shop: a view in D1"),
        ("CREATE TABLE shop(id INTEGER PRIMARY KEY)", "shop: in D1 without the columns name"),
        (
            "CREATE TABLE shop(id INTEGER PRIMARY KEY, name INTEGER)",
            "name is INTEGER, planned TEXT",
        ),
        ("CREATE TABLE shop(id INTEGER PRIMARY KEY, name)", "name is untyped, planned TEXT"),
        ("CREATE TABLE shop(id INTEGER, name TEXT)", "no primary key, planned (id)"),
        (
            "CREATE TABLE shop(id INTEGER, name TEXT, PRIMARY KEY(name, id))",
            "the primary key (name, id), planned (id)",
        ),
    ],
)
@pytest.mark.parametrize("if_exists", IfExists)
async def test_a_table_that_rows_can_not_go_into_is_refused_and_says_what_differs(
    if_exists: IfExists, sql: str, words: str
) -> None:
    said = refused(await seen_by(sql), if_exists)

    assert words in said
    assert "exclude it" in said


WORDS = plan_of(
    table("word", column("word", not_null=True), column("n", INT4), indexes=[primary("word")]),
    table(
        "case", column("word", CITEXT, not_null=True), column("n", INT4), indexes=[primary("word")]
    ),
)


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("word TEXT COLLATE NOCASE PRIMARY KEY, n INTEGER", "NOCASE"),
        ("word TEXT COLLATE RTRIM, n INTEGER, PRIMARY KEY(word)", "RTRIM"),
        ("word TEXT PRIMARY KEY, n INTEGER", ""),
        ("word TEXT PRIMARY KEY, n INTEGER, other TEXT COLLATE NOCASE UNIQUE", ""),
    ],
)
async def test_a_key_by_which_d1_takes_other_rows_for_the_same_is_refused(
    sql: str, said: str
) -> None:
    word, case = (next(t for t in WORDS.tables if t.target == name) for name in ("word", "case"))
    seen = await seen_by(f"CREATE TABLE word({sql}\n)", f'CREATE TABLE "case"({sql}\n)')

    found = seen.find("word")
    assert found is not None
    wrong = f"in D1 with a key that compares word by {said}, planned BINARY" if said else ""
    assert unlike(word, found) == wrong
    assert unlike(case, found) == (wrong if said == "RTRIM" else "")


async def test_spelling_and_columns_of_its_own_make_no_other_table() -> None:
    seen = await seen_by("CREATE TABLE SHOP(ID integer PRIMARY KEY, Name text, more BLOB)")

    assert refused(seen) == ""


ROWS = ("INSERT INTO shop(id) VALUES (1)", "INSERT INTO log VALUES ('x')")


async def test_rows_of_others_are_left_alone_unless_the_user_says_what_to_do_with_them() -> None:
    said = refused(await seen_by(*ROWS, made=PLAN))

    assert "already in D1, with rows" in said
    assert "log, shop" in said or "shop, log" in said
    assert "--if-exists upsert" in said
    assert "--if-exists replace" in said


async def test_rows_without_a_key_in_postgresql_can_not_be_matched() -> None:
    said = refused(await seen_by(*ROWS, made=PLAN), IfExists.UPSERT)

    assert said.startswith("log: already in D1, with rows that can't be matched")
    assert "shop" not in said


async def test_tables_that_are_replaced_may_be_full_if_nobody_outside_refers_to_them() -> None:
    outside = "CREATE TABLE visit(shop INTEGER REFERENCES SHOP(id))"

    assert refused(await seen_by(*ROWS, made=PLAN), IfExists.REPLACE) == ""
    said = refused(await seen_by(*ROWS, outside, made=PLAN), IfExists.REPLACE)
    assert said.startswith("shop: can't be emptied, visit outside this run refers to it")
    assert refused(await seen_by(outside, made=PLAN), IfExists.REPLACE) == ""


async def test_rows_of_an_abandoned_run_of_ours_count_as_none() -> None:
    seen = await seen_by(*ROWS, made=PLAN)

    assert refused(seen, ours=["shop", "log"]) == ""
    assert "shop" not in refused(seen, ours=["shop"])


async def test_all_objections_are_said_at_once_each_with_what_to_do() -> None:
    said = refused(
        await seen_by(
            "CREATE TABLE shop(id INTEGER PRIMARY KEY, name BLOB)",
            "CREATE TABLE log(line TEXT)",
            "INSERT INTO log VALUES ('x')",
        ),
        create_schema=False,
    )

    for words in ("name is BLOB", "log: already", "sale: not in D1", "--no-schema", "--if-exists"):
        assert words in said


async def test_what_stood_in_a_table_s_place_is_told_apart() -> None:
    seen = await seen_by(
        "CREATE TABLE shop(id)", "CREATE TABLE log(l)", "INSERT INTO log VALUES(1)"
    )

    assert {t.target: found(seen, t) for t in PLAN.tables} == {
        "shop": Found.EMPTY,
        "sale": Found.ABSENT,
        "log": Found.ROWS,
    }


def test_a_long_list_is_cut_and_says_how_much_more_there_is() -> None:
    names = [f"t{n}" for n in range(1_500)]

    assert listed(names[:12]).count(",") == 11
    assert listed(names).endswith("t11 and 1,488 more")
    assert shortened(names[:MOST_LINES]).count("\n") == MOST_LINES - 1
    assert shortened(names).endswith("\n... and 1,480 more")


def test_what_can_not_move_stops_the_run_unless_the_user_lets_the_rest_go() -> None:
    with pytest.raises(RefusedError, match=r"t\.a: no.\nt\.b: no") as caught:
        refuse_what_cannot_move(["t.a: no.", "t.b: no."], skip_refused=False)

    assert "--skip-refused" in caught.value.hint
    refuse_what_cannot_move(["t.a: no."], skip_refused=True)
    refuse_what_cannot_move([], skip_refused=False)


@pytest.mark.parametrize(
    ("made", "said"),
    [
        ("n INTEGER, name TEXT AS (n || '') STORED", ""),
        ("n INTEGER, name TEXT", "shop: in D1 without the generated columns name"),
        (
            "n INTEGER AS (1) STORED, name TEXT AS (n || '')",
            "shop: in D1 with columns that it computes, planned to be written: n",
        ),
    ],
)
async def test_columns_that_d1_computes_are_those_that_are_planned_so(made: str, said: str) -> None:
    (whole,) = plan_of(identified("shop", column("N", INT4), column("name", TEXT))).tables
    shop = replace(whole, columns=whole.columns[:2], computed=whole.columns[2:])
    seen = await seen_by(f"CREATE TABLE shop (id INTEGER PRIMARY KEY, {made})")

    try:
        admit([shop], seen, if_exists=IfExists.FAIL, create_schema=True)
        refusal = ""
    except UsageError as error:
        refusal = error.what

    assert refusal == said
