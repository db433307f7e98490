"""What answers to questions come to: findings with numbers, tables refused."""

from dataclasses import replace

from streamer.model import Answered, Finding, QualifiedName, Question, Severity
from streamer.plan.announce import announce

ORDERS = QualifiedName("public", "orders")
ASKED = Question(
    ORDERS,
    Finding(Severity.WARNING, "public.orders.at", "infinity in {rows} of the rows", "as {rows}"),
    condition="true",
)
BIG = Question(
    ORDERS,
    Finding(Severity.REFUSAL, "public.orders", "too big in {rows} of the rows: {keys}"),
    condition="true",
)


def test_nothing_is_said_where_no_row_is_concerned():
    assert announce([Answered(ASKED, 0), Answered(BIG, 0)]) == ([], {})


def test_a_finding_tells_how_many_rows_with_separators():
    findings, refused = announce([Answered(ASKED, 1_234_567)])

    assert [finding.what for finding in findings] == ["infinity in 1,234,567 of the rows"]
    assert (findings[0].hint, findings[0].rows) == ("as 1,234,567", 1_234_567)
    assert refused == {}


def test_a_refusal_refuses_its_table_and_names_the_rows_with_their_bytes():
    answer = Answered(BIG, 22, (("id=2", 2_000_001), ("id=3", None)))

    findings, refused = announce([answer])

    assert findings[0].what == (
        "too big in 22 of the rows: id=2 (2,000,001 bytes), id=3 and 20 more"
    )
    assert refused == {ORDERS: findings[0]}


def test_of_several_refusals_the_first_stands_for_the_table_and_all_are_said():
    other = replace(BIG, finding=replace(BIG.finding, object="public.orders.t"))

    findings, refused = announce([Answered(BIG, 1), Answered(other, 1)])

    assert len(findings) == 2
    assert refused[ORDERS].object == "public.orders"


def test_what_tells_no_number_of_rows_claims_none():
    question = replace(ASKED, finding=replace(ASKED.finding, what="D1 will use {keys}"))

    findings, _ = announce([Answered(question, 1, (("1006", None),))])

    assert (findings[0].what, findings[0].rows) == ("D1 will use 1006", None)


def test_rows_that_have_no_name_are_counted():
    findings, _ = announce([Answered(BIG, 1_000)])

    assert findings[0].what == "too big in 1,000 of the rows: 1,000 rows"
