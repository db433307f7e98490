from dataclasses import replace

from streamer.model import Estimate, Known, LastRun, Loading, Measure, Plan, Rate, Table, TimedBy
from streamer.plan import estimated_rows
from streamer.plan.estimate import measured
from tests.engines.catalogs import (
    BYTEA,
    INT4,
    TEXT,
    column,
    identified,
    index,
    plan_of,
    primary,
    refers,
    table,
)


def cost(plan: Plan, rate: Rate | None = None) -> Estimate:
    """What a plan's run costs by what the statistics say."""
    return measured(plan, rate, {}).estimate


def rows_written(made: Table) -> int:
    """What the rows cost: without the schema, the owner and an entry of the ledger a batch."""
    (plan,) = plan_of(made).tables
    batches = 1 + (plan.loading is Loading.TWO_PASS)
    return cost(plan_of(made)).rows_written - 2 * (batches + 1) - 1 - len(plan.indexes)


def test_each_row_and_each_index_entry_is_a_row_written():
    text_key = (column("k", TEXT, not_null=True),)

    assert rows_written(identified("t", rows=1_000)) == 1_000
    assert (
        rows_written(identified("t", column("a"), indexes=[index("i", "a")], rows=1_000)) == 2_000
    )
    assert rows_written(table("t", *text_key, indexes=[primary("k")], rows=10, size=9_000)) == 20
    assert rows_written(table("t", *text_key, indexes=[primary("k")], rows=1_000, size=9_000)) == (
        1_000
    )


def test_a_partial_index_has_the_entries_that_were_counted_for_it():
    whole = plan_of(
        identified("t", column("a", INT4), indexes=[index("i", "a", predicate="a > 5")], rows=1_000)
    )
    (planned,) = whole.tables
    of_all = Measure(1_000, 50.0, (4.0, 4.0))
    of_some = replace(of_all, indexed={planned.indexes[0].name: 20})

    every, few = (measured(whole, None, {planned.name: seen}) for seen in (of_all, of_some))

    assert every.estimate.rows_written - few.estimate.rows_written == 980
    assert every.estimate.size_bytes > few.estimate.size_bytes


def test_second_passes_and_staging_write_rows_twice():
    nullable = identified("t", column("up", INT4), keys=[refers("fk", "up", "t")], rows=1_000)
    strict = identified(
        "t",
        column("up", INT4, not_null=True),
        keys=[refers("fk", "up", "t")],
        indexes=[index("i", "up")],
        rows=1_000,
    )

    assert rows_written(nullable) == 2_000
    assert rows_written(strict) == 3_000


def test_a_million_ordinary_rows_take_about_a_hundred_requests():
    columns = [column(f"c{n}", TEXT) for n in range(9)]
    made = identified("t", *columns, rows=1_000_000, size=200_000_000)

    estimate = cost(plan_of(made))

    assert 60 <= estimate.requests <= 130
    assert round(estimate.cost_usd, 2) == 1.0
    assert 150_000_000 < estimate.size_bytes < 400_000_000


def test_beyond_one_window_of_requests_the_rate_limit_takes_the_time():
    made = identified("t", column("a"), rows=10_000_000, size=10_000_000_000)

    limited = cost(plan_of(made), Rate(1_080, 300))
    slow = cost(plan_of(made), Rate(100, 300))
    free = cost(plan_of(made), None)

    assert free.seconds <= limited.seconds < slow.seconds
    assert slow.seconds > 5_000
    assert free.requests == slow.requests


def test_time_is_a_span_where_nobody_measured_the_target_and_says_what_it_rests_on():
    whole = plan_of(identified("t", column("a"), rows=1))
    name = whole.tables[0].name
    measures = {name: Measure(1_000_000, 200.0, (4.0, 100.0))}

    guessed = measured(whole, Rate(1_080, 300), measures).estimate
    known = measured(
        whole, Rate(1_080, 300), measures, known=Known(1.0, last=LastRun(100_000_000, 11.0))
    ).estimate
    tiny = measured(
        whole, Rate(1_080, 300), measures, known=Known(last=LastRun(1_000, 10.0))
    ).estimate
    limited = measured(whole, Rate(10, 300), measures).estimate

    assert (guessed.timed_by, tiny) == (TimedBy.GUESS, guessed)
    assert guessed.least_seconds < 20 < guessed.seconds
    assert (known.timed_by, known.seconds, known.least_seconds) == (TimedBy.LAST_RUN, 21.0, 21.0)
    assert limited.timed_by is TimedBy.RATE_LIMIT
    assert limited.least_seconds == limited.seconds > 1_000


def test_bytes_cost_twice_as_hex():
    def requests(kind) -> int:
        made = identified("t", column("a", kind), rows=1_000_000, size=200_000_000)
        return cost(plan_of(made)).requests

    assert requests(BYTEA) > requests(TEXT)


def test_a_table_that_was_never_analysed_is_guessed_from_its_size():
    columns = plan_of(identified("t", column("a"))).tables[0].columns
    unknown = identified("t", column("a"), rows=-1, size=8_192_000)
    emptied = identified("t", column("a"), rows=0, size=8_192_000)
    empty = identified("t", column("a"), rows=-1, leaves=())

    assert 50_000 < estimated_rows(unknown, columns) < 300_000
    assert estimated_rows(emptied, columns) == 0
    assert estimated_rows(empty, columns) == 0


def test_nothing_to_move_costs_nothing():
    estimate = cost(plan_of())

    assert (estimate.requests, estimate.rows_written, estimate.size_bytes) == (0, 0, 0)


def test_a_database_beyond_what_d1_holds_is_warned_about():
    made = identified("t", column("a"), rows=100_000_000, size=20_000_000_000)

    assert any("D1 holds 10,000,000,000" in f.what for f in plan_of(made).warnings)


def test_what_was_measured_has_the_last_word_on_whether_d1_has_room():
    guessed_big = plan_of(identified("t", column("a"), rows=100_000_000, size=20_000_000_000))
    guessed_small = plan_of(identified("t", column("a"), rows=100, size=10_000))
    name = guessed_small.tables[0].name

    small = measured(guessed_big, None, {name: Measure(100, 50.0, (4.0, 40.0))})
    big = measured(guessed_small, None, {name: Measure(100_000_000, 500.0, (4.0, 400.0))})

    assert not any(finding.object == "size" for finding in small.warnings)
    assert [f.what for f in big.warnings if f.object == "size"] == [
        f"about {big.estimate.size_bytes:,} bytes are expected, D1 holds 10,000,000,000"
    ]
