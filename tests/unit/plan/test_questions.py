"""What is asked of a table's rows, and what isn't."""

from dataclasses import replace

from streamer.config import Selection
from streamer.model import (
    Column,
    ColumnOptions,
    OtherObjects,
    QualifiedName,
    Question,
    Sequence,
    Severity,
    Shaping,
    Table,
    TableOptions,
)
from streamer.plan import PlanOptions, make_plan
from tests.engines.catalogs import (
    BYTEA,
    FLOAT8,
    INT4,
    INT8,
    JSONB,
    TEXT,
    base,
    catalog,
    column,
    identified,
    index,
    primary,
    refers,
    said,
    table,
)

TIMESTAMPTZ = base("timestamptz", "timestamp with time zone")


def asked(*tables: Table, version: int = 180_000, **settings: TableOptions) -> list[Question]:
    options = PlanOptions(shaping=Shaping(tables=settings))
    plan = make_plan(catalog(*tables, version=version), Selection(schemas=("*",)), options)
    return [*plan.questions]


def about(questions: list[Question], words: str) -> list[Question]:
    return [question for question in questions if words in question.finding.what]


def numbered(sequence: Sequence | None, kind: str = "id") -> Column:
    return replace(column(kind, INT8, not_null=True), sequence=sequence)


SERIAL = Sequence(QualifiedName("public", "s"), 1, 1, 1, 2**63 - 1, cycle=False, last_value=7)


def test_an_index_is_asked_where_it_has_all_values_of_a_column_in_order():
    columns = [column(name, INT8) for name in ("n", "m", "part", "odd", "hash", "broken", "bare")]
    indexes = (
        index("n", "n", "m"),
        index("part", "part", predicate="part > 0"),
        index("odd", "odd", operator_classes_default=False),
        index("hash", "hash", method="hash"),
        index("broken", "broken", valid=False),
    )

    questions = about(asked(identified("a", *columns, indexes=indexes)), "JavaScript")

    assert {q.finding.object: q.indexed for q in questions} == {
        "public.a.n": True,
        **{f"public.a.{name}": False for name in ("m", "part", "odd", "hash", "broken", "bare")},
    }


def test_no_index_of_a_column_knows_what_an_expression_makes_of_it():
    big = identified("a", column("n", INT8), indexes=(index("n", "n"),))
    doubled = TableOptions(column={"n": ColumnOptions(expression="n * 2")})
    options = PlanOptions(
        shaping=Shaping(tables={"a": doubled}), expression_types={(big.name, "n"): INT8}
    )

    plan = make_plan(catalog(big), Selection(), options)

    assert [q.indexed for q in about([*plan.questions], "JavaScript")] == [False]


def test_tables_whose_values_are_all_in_their_pages_are_not_asked_for_sizes():
    small = identified("a", column("t", TEXT), column("j", JSONB))

    assert about(asked(small), "bytes") == []
    assert len(about(asked(replace(small, toast_bytes=8192)), "bytes")) == 3


def test_lengths_of_texts_and_bytes_are_asked_without_fetching_them():
    big = identified("a", column("t", TEXT), column("b", BYTEA), toast_bytes=8192)

    of_text, of_bytes, of_row = about(asked(big), "bytes")

    assert of_text.condition == 'coalesce(octet_length(t."t"::text), 0)::bigint > 2000000'
    assert of_bytes.condition == 'coalesce(octet_length(t."b"), 0)::bigint > 2000000'
    assert of_text.condition in of_row.condition
    assert {question.finding.severity for question in (of_text, of_bytes, of_row)} == {
        Severity.REFUSAL
    }
    assert (of_text.finding.object, of_row.finding.object) == ("public.a.t", "public.a")


def test_other_values_are_printed_only_where_their_stored_size_could_be_too_much():
    big = identified("a", column("j", JSONB), toast_bytes=8192)

    new, old = about(asked(big), "bytes")[0], about(asked(big, version=130_000), "bytes")[0]

    assert new.condition.startswith("CASE WHEN coalesce(pg_column_size(")
    assert "pg_column_compression" in new.condition
    assert "pg_column_compression" not in old.condition
    assert new.sizes == 'coalesce(octet_length(t."j"::text), 0)'


def test_an_expression_is_measured_by_what_it_makes():
    big = identified("a", column("t", TEXT), toast_bytes=8192)
    cut = TableOptions(column={"t": ColumnOptions(expression="left(t, 10)")})
    options = PlanOptions(
        shaping=Shaping(tables={"a": cut}), expression_types={(big.name, "t"): TEXT}
    )

    plan = make_plan(catalog(big), Selection(), options)

    assert "(left(t, 10)\n)" in about([*plan.questions], "bytes")[0].condition


def test_a_transformed_table_is_not_refused_for_sizes_that_its_transform_may_change():
    big = identified("a", column("t", TEXT), toast_bytes=8192)

    assert about(asked(big, a=TableOptions(transform="m:f")), "bytes") == []


def test_where_numbers_go_on_is_asked_of_tables_that_sqlite_numbers():
    by_hand = table("a", numbered(None), indexes=[primary("id")])
    drawn = table("b", numbered(SERIAL), indexes=[primary("id")])
    beside = table(
        "c", column("id", INT4, not_null=True), numbered(SERIAL, "n"), indexes=[primary("id")]
    )
    hidden = table("d", numbered(replace(SERIAL, hidden=True)), indexes=[primary("id")])

    questions = about(asked(by_hand, drawn, beside, hidden), "next value")

    assert [str(question.table) for question in questions] == ["public.b"]
    assert "next value in PostgreSQL is 8, D1" in questions[0].finding.what


def test_a_sequence_that_nothing_was_drawn_from_goes_on_with_its_start():
    steps = replace(SERIAL, last_value=None, start=1000, increment=5)

    question = about(asked(table("a", numbered(steps), indexes=[primary("id")])), "next")[0]

    assert "PostgreSQL is 1000, by steps of 5" in question.finding.what


def test_orphans_are_asked_of_keys_that_postgresql_never_checked():
    parent = identified("p")
    key = replace(refers("fk", "x", "p"), validated=False)
    child = identified("c", column("x", INT4), keys=[key])

    question = about(asked(parent, child), "don't exist")[0]
    given_up = TableOptions(exclude_foreign_keys=("fk",))

    assert question.finding.object == "public.c.fk"
    assert "NOT VALID" in question.finding.what
    assert question.finding.severity is Severity.WARNING
    assert question.query.count("NOT EXISTS") == question.examples.count("NOT EXISTS") == 1
    assert about(asked(parent, child, c=given_up), "don't exist") == []


def test_children_are_asked_where_their_parents_lose_rows():
    parent, child = (
        identified("p"),
        identified("c", column("x", INT4), keys=[refers("fk", "x", "p")]),
    )

    assert about(asked(parent, child), "leaves out") == []
    question = about(asked(parent, child, p=TableOptions(where="id > 1")), "leaves out")[0]

    assert question.finding.severity is Severity.REFUSAL
    assert "(id > 1\n)" in question.query
    assert 'exclude_foreign_keys = ["fk"]' in question.finding.hint


def test_only_options_that_may_merge_values_ask_unique_indexes():
    keyed = table(
        "a", column("at", TIMESTAMPTZ, not_null=True), column("v", INT4), indexes=[primary("at")]
    )

    assert about(asked(keyed), "must be unique") == []
    assert about(asked(keyed, a=TableOptions(types={"timestamps": "iso"})), "must be unique") == []
    question = about(asked(keyed, a=TableOptions(types={"timestamps": "seconds"})), "unique")[0]
    assert question.finding.severity is Severity.REFUSAL
    assert question.finding.object == "public.a.pkey"


def test_values_that_become_null_are_refused_where_no_null_may_be():
    floats = identified("a", column("f", FLOAT8, not_null=True), column("g", FLOAT8))

    said = about(asked(floats, a=TableOptions(types={"nan": "null"})), "stored as NULL")

    assert {question.finding.object: question.finding.severity for question in said} == {
        "public.a.f": Severity.REFUSAL,
        "public.a.g": Severity.WARNING,
    }


def test_a_partial_unique_index_is_asked_of_its_own_rows():
    made = index("u", "at", unique=True, predicate="(v > 1)")
    keyed = identified("a", column("at", TIMESTAMPTZ), column("v", INT4), indexes=[made])

    question = about(asked(keyed, a=TableOptions(types={"timestamps": "ms"})), "unique")[0]

    assert "((v > 1)\n)" in question.query


def test_a_key_that_the_user_names_is_tried_on_the_rows():
    heap = table("a", column("x", INT4), column("y", TEXT))

    questions = asked(heap, a=TableOptions(key=("x", "y")))

    nulls = about(questions, "NULL in x, y")[0]
    assert nulls.condition == 't."x" IS NULL OR t."y" IS NULL'
    assert len(about(questions, "isn't unique")) == 1
    assert about(asked(heap), "settings call its key") == []


def test_questions_are_about_the_rows_that_are_moved():
    key = replace(refers("fk", "x", "p"), validated=False)
    child = identified("c", column("x", INT4), keys=[key])

    question = about(asked(identified("p"), child, c=TableOptions(where="x < 9")), "exist")[0]

    assert "(x < 9\n)" in question.query


def test_one_line_tells_what_a_database_holds_besides_tables():
    others = OtherObjects(
        functions=1_200,
        publications=("pub",),
        sequences=(QualifiedName("public", "lonely"),),
        granted_tables=1,
    )
    empty = catalog(identified("a"))

    findings = make_plan(replace(empty, others=others), Selection()).findings

    assert (
        "shop: not moved: 1,200 functions, 1 sequence that no column owns (public.lonely), "
        in said(findings)
    )
    assert "1 publication (pub), privileges on 1 table; nor are owners and roles" in said(findings)
    assert "not moved:" not in said(make_plan(empty, Selection()).findings)


def test_how_a_database_orders_texts_and_how_many_comments_stay_is_said_once():
    said_of = replace(
        identified("a", replace(column("v"), comment="of a column")), comment="of a table"
    )
    source = catalog(said_of)
    french = replace(source, source=replace(source.source, collation="fr_FR.UTF-8"))

    findings = said(make_plan(french, Selection()).findings)
    kept = PlanOptions(shaping=Shaping(comments=True))

    assert (
        "shop: its texts are ordered by the collation fr_FR.UTF-8: D1 orders texts by" in findings
    )
    assert "shop: not moved: 2 comments (comments = true keeps them)" in findings
    assert "comment" not in said(make_plan(french, Selection(), kept).findings)
    for usual in ("", "C", "POSIX", "C.UTF-8"):
        plain = replace(source, source=replace(source.source, collation=usual))
        assert "ordered" not in said(make_plan(plain, Selection()).findings)
