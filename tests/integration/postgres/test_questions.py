"""What the rows answer, asked of real servers of two majors."""

from dataclasses import replace

import pytest

from streamer.config import Config, Selection, SourceSettings
from streamer.errors import SourceError
from streamer.model import (
    Answered,
    ColumnOptions,
    Finding,
    Plan,
    QualifiedName,
    Question,
    Secret,
    Severity,
    Shaping,
    TableOptions,
    TypeOptions,
)
from streamer.plan import PlanOptions, make_plan
from streamer.postgres import PostgresSource
from streamer.run.outlook import read_plan
from streamer.run.planning import plan_job
from tests.engines.catalogs import said
from tests.engines.postgres import Database, Postgres

pytestmark = pytest.mark.postgres


async def planned(database: Database, shaping: Shaping | None = None, dsn: str = "") -> Plan:
    config = Config(
        source=SourceSettings(dsn=Secret(dsn or database.dsn)),
        selection=Selection(schemas=("*",)),
        shaping=shaping or Shaping(),
    )
    async with PostgresSource.open(config.source) as source:
        return await plan_job(source, config)


async def answered(
    database: Database, *questions: Question, **tables: TableOptions
) -> list[Answered]:
    shaping = Shaping(tables=tables)
    async with PostgresSource.open(SourceSettings(dsn=Secret(database.dsn))) as source:
        plan = make_plan(await source.catalog(), Selection(), PlanOptions(shaping=shaping))
        return await source.answer(questions, plan.tables)


def asks(
    condition: str, table: str = "a", what: str = "{rows}: {keys}", sizes: str = ""
) -> Question:
    finding = Finding(Severity.WARNING, f"public.{table}", what)
    return Question(QualifiedName("public", table), finding, condition=condition, sizes=sizes)


async def test_what_is_costly_is_asked_only_where_rows_may_be_meant(any_database: Database):
    await any_database.execute(
        "CREATE TABLE a (id int PRIMARY KEY, n int); INSERT INTO a VALUES (1, 0), (2, 5), (3, 9)"
    )
    raising = "9 / (t.n - 9) > 0 AND t.n >= 5"

    asked = [
        replace(asks(raising), necessary="t.n > 9"),
        replace(asks("t.n = 5"), necessary="t.n >= 5"),
        asks("t.n < 9"),
    ]
    none, some, plain = await answered(any_database, *asked)

    assert none == Answered(asked[0], 0)
    assert some == Answered(asked[1], 1, (("id=2", None),))
    assert plain.rows == 2
    with pytest.raises(SourceError, match="DivisionByZero"):
        await answered(any_database, replace(asks(raising), necessary="t.n > 0"))


async def test_values_and_rows_beyond_d1s_limit_are_refused_by_key_and_size(
    any_database: Database,
):
    await any_database.execute(r"""
        CREATE TABLE texts (id int PRIMARY KEY, t text);
        INSERT INTO texts VALUES (1, 'small'), (2, repeat('x', 2000001)), (3, repeat('é', 1000001)),
            (4, repeat('x', 2000000));
        CREATE TABLE sums (id int, k text, t text, u text, b bytea, PRIMARY KEY (k, id));
        INSERT INTO sums VALUES (1, 'a', repeat('x', 1200000), repeat('y', 1200000), NULL),
            (2, 'a', repeat('x', 900000), '', decode(repeat('00', 1100001), 'hex')), (3, 'b', '', '', '');
        CREATE TABLE others (id int PRIMARY KEY, j jsonb, a text[], h bytea, n numeric);
        INSERT INTO others VALUES (1, to_jsonb(repeat('x', 2000001)), NULL, NULL, NULL),
            (2, '[]', ARRAY[repeat(E'\x01', 400000)], NULL, NULL),
            (3, '[]', NULL, decode(repeat('00', 2000001), 'hex'), NULL), (4, '[]', '{}', '', 1);
        CREATE TABLE fits (t text, j json);
        INSERT INTO fits VALUES (repeat('x', 1999990), NULL), (NULL, to_json(repeat('y', 1000000)))""")

    plan = await planned(any_database)

    told = said(plan.refusals)
    assert sorted(str(name) for name in plan.refused) == [
        "public.others",
        "public.sums",
        "public.texts",
    ]
    assert [table.target for table in plan.tables] == ["fits"]
    assert "public.texts.t: more than 2,000,000 bytes" in told
    assert "2 of the rows: id=2 (2,000,001 bytes), id=3 (2,000,002 bytes)" in told
    assert "(k=a, id=1) (2,400,009 bytes), (k=a, id=2) (2,000,010 bytes)" in told
    assert "public.texts: more than" in told
    assert "1 of the rows: id=4 (2,000,005 bytes)" in told
    assert "public.others.j: more than 2,000,000 bytes, which no value may have in D1, in 1" in told
    assert "public.others.a: more than 2,000,000 bytes, which no value may have in D1, in 1" in told
    assert "public.others.h: more than 2,000,000 bytes, which no value may have in D1, in 1" in told
    assert "public.others: " not in told  # whose single values are too big already


async def test_a_where_or_an_expression_makes_a_table_fit(any_database: Database):
    await any_database.execute("""
        CREATE TABLE a (id int PRIMARY KEY, t text); INSERT INTO a VALUES (1, 'x'), (2, repeat('x', 2000001));
        CREATE TABLE b (id int PRIMARY KEY, t text); INSERT INTO b VALUES (2, repeat('x', 2000001))""")
    shaping = Shaping(
        tables={
            "a": TableOptions(where="octet_length(t.t) < 100"),
            "b": TableOptions(column={"t": ColumnOptions(expression="left(t, 1000)")}),
        }
    )

    plan = await planned(any_database, shaping)

    assert plan.refusals == ()
    assert [table.target for table in plan.tables] == ["a", "b"]


async def test_orphans_of_unchecked_keys_are_counted_and_their_parents_named(
    any_database: Database,
):
    await any_database.execute("""
        CREATE TABLE p (a int, b int, PRIMARY KEY (a, b)); CREATE TABLE heir () INHERITS (p);
        INSERT INTO p VALUES (1, 1); INSERT INTO heir VALUES (7, 7);
        CREATE TABLE c (id int PRIMARY KEY, x int, y int);
        INSERT INTO c VALUES (1, 1, 1), (2, 424242, 5), (3, 424242, 5), (4, NULL, 9), (5, 7, 7);
        ALTER TABLE c ADD CONSTRAINT fk FOREIGN KEY (x, y) REFERENCES p (a, b) NOT VALID""")

    plan = await planned(any_database)

    told = next(finding for finding in plan.warnings if "don't exist" in finding.what)
    assert told.object == "public.c.fk"
    assert told.rows == 3
    assert told.what.endswith("(7, 7), (424242, 5) and 1 more")


async def test_children_of_parents_that_are_left_out_are_refused(any_database: Database):
    await any_database.execute("""
        CREATE TABLE p (id int PRIMARY KEY, "where" text, boss int REFERENCES p);
        INSERT INTO p VALUES (1, 'here', NULL), (2, 'there', 1), (3, 'here', 1);
        CREATE TABLE c (id int PRIMARY KEY, p int REFERENCES p, v text);
        INSERT INTO c VALUES (1, 1, 'x'), (2, 2, 'x'), (3, NULL, 'y')""")
    here = TableOptions(where="t.\"where\" = 'here'")

    alone = await planned(any_database, Shaping(tables={"p": here}))
    both = await planned(
        any_database, Shaping(tables={"p": here, "c": TableOptions(where="p <> 2 OR p IS NULL")})
    )

    assert [str(name) for name in alone.refused] == ["public.c"]
    assert "its `where` leaves out are referred to by 1 of the rows: 2" in said(alone.refusals)
    assert [table.target for table in alone.tables] == ["p"]
    assert both.refusals == ()


async def test_keys_that_become_the_same_are_refused(any_database: Database):
    await any_database.execute("""
        CREATE TABLE a (at timestamptz PRIMARY KEY, v int);
        INSERT INTO a VALUES ('2024-05-05 05:05:05.000001+00', 1), ('2024-05-05 05:05:05.000002+00', 2),
            ('2024-05-05 05:05:06+00', 3), ('infinity', 4)""")

    exact = await planned(any_database)
    cut = await planned(any_database, Shaping(types=TypeOptions(timestamps="seconds")))

    assert exact.refused == {}
    assert "in 2 of the rows: at=2024-05-05 05:05:05.000001+00, at=" in said(cut.refusals)


async def test_a_named_key_is_refused_where_it_is_none(any_database: Database):
    await any_database.execute("""
        CREATE TABLE a (x int, y text); INSERT INTO a VALUES (1, 'a'), (1, 'b'), (NULL, 'c'), (3, 'd');
        CREATE TABLE b (x int, y text); INSERT INTO b VALUES (1, 'a'), (1, 'b')""")
    by_x, by_both = TableOptions(key=("x",)), TableOptions(key=("x", "y"))

    plan = await planned(any_database, Shaping(tables={"a": by_x, "b": by_both}))

    told = said(plan.refusals)
    assert "public.a: NULL in x, which its settings call its key, in 1 of the rows" in told
    assert "isn't unique in 2 of the rows: x=1, x=1" in told
    assert [table.target for table in plan.tables] == ["b"]


async def test_the_next_number_is_told_where_d1_would_use_another(any_database: Database):
    await any_database.execute("""
        CREATE TABLE always (id bigint GENERATED ALWAYS AS IDENTITY (START 1000 INCREMENT 5) PRIMARY KEY);
        INSERT INTO always DEFAULT VALUES; INSERT INTO always DEFAULT VALUES;
        CREATE TABLE same (id serial PRIMARY KEY); INSERT INTO same DEFAULT VALUES;
        CREATE TABLE unused (id serial PRIMARY KEY);
        CREATE TABLE last (id bigserial PRIMARY KEY); INSERT INTO last VALUES (9223372036854775807)""")

    plan = await planned(any_database)

    told = {str(f.object): f.what for f in plan.warnings if "next value" in f.what}
    assert sorted(told) == ["public.always.id", "public.last.id"]
    assert "PostgreSQL is 1010, by steps of 5, D1 will use 1006" in told["public.always.id"]
    assert "D1 will use 9223372036854775808" in told["public.last.id"]


async def test_rows_are_named_by_their_keys_in_order_or_by_their_place(any_database: Database):
    await any_database.execute("""
        CREATE TABLE a (id int PRIMARY KEY, v text); INSERT INTO a SELECT g, 'v' FROM generate_series(40, 1, -1) AS g;
        CREATE TABLE heap (v text); INSERT INTO heap VALUES ('x'), ('y');
        CREATE TABLE odd ("it's \\ 1" text PRIMARY KEY); INSERT INTO odd VALUES (E'two\\nlines \\x1b[2J');
        CREATE TABLE parts (v int) PARTITION BY LIST (v);
        CREATE TABLE parts1 PARTITION OF parts FOR VALUES IN (1);
        CREATE TABLE parts2 PARTITION OF parts FOR VALUES IN (2); INSERT INTO parts VALUES (2)""")

    a, sized, heap, odd, parts, none = await answered(
        any_database,
        asks("v = 'v'"),
        asks("id > 39", sizes="octet_length(v)"),
        asks("v = 'y'", "heap"),
        asks("true", "odd"),
        asks("true", "parts"),
        asks("id < 0"),
    )

    assert (a.rows, len(a.keys), a.keys[0], a.keys[-1]) == (40, 20, ("id=1", None), ("id=20", None))
    assert sized.keys == (("id=40", 1),)
    assert heap.keys == (("row at position (0,2)", None),)
    assert odd.keys == (("it's \\ 1=two?lines ?[2J", None),)
    assert parts.keys == (("row at position (0,1) of public.parts2", None),)
    assert (none.rows, none.keys) == (0, ())


async def test_a_masked_key_is_not_told(any_database: Database):
    await any_database.execute(
        "CREATE TABLE a (mail text PRIMARY KEY); INSERT INTO a VALUES ('x@y')"
    )
    shaping = Shaping(
        tables={"a": TableOptions(column={"mail": ColumnOptions(mask="hash")})},
        hash_key=Secret("0123456789abcdef"),
    )

    async with PostgresSource.open(SourceSettings(dsn=Secret(any_database.dsn))) as source:
        plan = make_plan(await source.catalog(), Selection(), PlanOptions(shaping=shaping))
        (answer,) = await source.answer([asks("true")], plan.tables)

    assert answer.keys == (("row at position (0,1)", None),)


async def test_only_a_parents_own_rows_are_asked(any_database: Database):
    await any_database.execute("""
        CREATE TABLE a (id int PRIMARY KEY); CREATE TABLE heir () INHERITS (a);
        INSERT INTO a VALUES (1); INSERT INTO heir VALUES (2), (3)""")

    (answer,) = await answered(any_database, asks("true"))

    assert answer.rows == 1


async def test_more_questions_than_one_scan_has_outputs_are_answered_in_order(database: Database):
    await database.execute("CREATE TABLE a (id int PRIMARY KEY); INSERT INTO a VALUES (1), (2)")

    answers = await answered(
        database, *(asks(f"id > {number % 3}", what="{rows}") for number in range(1200))
    )

    assert [answer.rows for answer in answers] == [2, 1, 0] * 400


async def test_tables_of_a_run_are_asked_in_its_snapshot(database: Database):
    await database.execute("CREATE TABLE a (id int PRIMARY KEY); INSERT INTO a VALUES (1)")
    async with PostgresSource.open(SourceSettings(dsn=Secret(database.dsn))) as source:
        await source.begin()
        plan = make_plan(await source.catalog(), Selection())
        await database.execute("INSERT INTO a VALUES (2)")

        (answer,) = await source.answer([asks("true")], plan.tables)

    assert answer.rows == 1


async def test_what_goes_wrong_with_one_table_comes_out_as_one_error(database: Database):
    await database.execute("CREATE TABLE a (id int PRIMARY KEY); INSERT INTO a VALUES (0)")

    with pytest.raises(SourceError, match=r"counting rows of public\.a"):
        await answered(database, asks("1 / id = 1"))


async def test_a_scan_that_the_server_cuts_short_is_not_tried_for_hours(database: Database):
    await database.execute("CREATE TABLE a (id int PRIMARY KEY); INSERT INTO a VALUES (0)")
    async with PostgresSource.open(SourceSettings(dsn=Secret(database.dsn))) as source:
        plan = make_plan(await source.catalog(), Selection())
        await database.execute(
            f"ALTER DATABASE \"{database.name}\" SET statement_timeout = '250ms'"
        )

        with pytest.raises(SourceError, match="statement_timeout is too short"):
            await source.answer([asks("pg_sleep(60) IS NULL")], plan.tables)


async def test_a_role_that_may_not_read_gets_a_refusal_and_no_error(
    any_database: Database, any_postgres: Postgres
):
    await any_database.execute("""
        CREATE TABLE open (id serial PRIMARY KEY, t timestamptz); INSERT INTO open (t) VALUES ('infinity');
        CREATE TABLE shut (id int PRIMARY KEY, t text); INSERT INTO shut VALUES (1, repeat('x', 2000001));
        CREATE TABLE child (id int PRIMARY KEY, s int); ALTER TABLE child ADD FOREIGN KEY (s) REFERENCES shut NOT VALID;
        DO $$ BEGIN CREATE ROLE limited LOGIN PASSWORD 'x'; EXCEPTION WHEN duplicate_object THEN NULL; END $$;
        GRANT SELECT ON open, child TO limited""")

    plan = await planned(
        any_database,
        Shaping(tables={"shut": TableOptions(where="id > 0")}),
        any_postgres.dsn(any_database.name, user="limited", password="x"),
    )

    assert [finding.object for finding in plan.refusals] == ["public.shut"]
    assert "infinity" in said(plan.warnings)
    assert "next value" not in said(plan.warnings)


async def test_a_run_that_goes_on_asks_only_of_tables_that_are_new_to_it(any_database: Database):
    await any_database.execute("""
        CREATE TABLE a (id int PRIMARY KEY, t text); INSERT INTO a VALUES (1, repeat('x', 2000001));
        CREATE TABLE b (id int PRIMARY KEY, t text); INSERT INTO b VALUES (1, repeat('x', 2000001));
        CREATE TABLE c (id int PRIMARY KEY, t text); INSERT INTO c VALUES (1, repeat('x', 2000001))""")
    then = Finding(Severity.REFUSAL, "public.a.t", "was too big")

    config = Config(source=SourceSettings(dsn=Secret(any_database.dsn)))
    async with PostgresSource.open(config.source) as source:
        refused = {QualifiedName("public", "a"): then}
        plan = await plan_job(source, config, refused=refused, asked={"public.b"})

    assert [table.target for table in plan.tables] == ["b"]
    assert then in plan.refusals
    assert [str(name) for name in plan.refused] == ["public.c", "public.a"]


async def test_a_hash_of_what_an_option_cuts_is_asked_whether_it_still_tells_rows_apart(
    database: Database,
):
    await database.execute("""
        CREATE TABLE a (id int PRIMARY KEY, at timestamp UNIQUE, b timestamp UNIQUE);
        INSERT INTO a VALUES (1, '2024-01-15 10:00:00.1', '2024-01-15 10:00:00'),
            (2, '2024-01-15 10:00:00.2', '2024-01-15 10:00:01')""")
    masks = {name: ColumnOptions(mask="hash") for name in ("at", "b")}
    config = Config(
        source=SourceSettings(dsn=Secret(database.dsn)),
        shaping=Shaping(
            types=TypeOptions(timestamps="seconds"),
            tables={"a": TableOptions(column=masks)},
            hash_key=Secret("0123456789abcdef"),
        ),
    )

    plan = await read_plan(config)

    (refusal,) = plan.refusals
    assert refusal.object == "public.a.a_at_key"
    assert "would be the same once stored in 2 of the rows" in refusal.what
