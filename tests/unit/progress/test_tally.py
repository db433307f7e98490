import orjson
from hypothesis import given
from hypothesis import strategies as st

from streamer.progress import Figures, Tally, Traffic

counts = st.integers(0, 10**12)
figures = st.builds(
    Figures,
    rows_written=counts,
    rows_rejected=counts,
    rows_skipped=counts,
    bytes_sent=counts,
    requests=counts,
    retries=counts,
    seconds=st.integers(0, 10**6).map(float),
)


@given(figures, figures)
def test_rows_read_are_written_rejected_and_skipped_whatever_is_added(
    some: Figures, more: Figures
) -> None:
    both = some + more

    assert both.rows_read == both.rows_written + both.rows_rejected + both.rows_skipped
    assert both.rows_read == some.rows_read + more.rows_read


@given(figures)
def test_figures_come_back_from_a_checkpoint_as_they_went_in(some: Figures) -> None:
    assert Figures.from_json(orjson.loads(orjson.dumps(some.to_json()))) == some


@given(st.builds(Traffic, counts, counts, counts, counts, counts))
def test_traffic_comes_back_from_a_checkpoint_as_it_went_in(some: Traffic) -> None:
    assert Traffic.from_json(orjson.loads(orjson.dumps(some.to_json()))) == some


def test_a_resumed_tally_goes_on_from_the_recorded_figures() -> None:
    before = Tally()
    before.add("public.a", Figures(rows_written=10, requests=2))
    before.add_traffic(Traffic(requests=3, seconds=4.0))

    resumed = Tally.from_json(
        before.traffic.to_json(), {"public.a": before.of("public.a").to_json()}
    )
    resumed.add("public.a", Figures(rows_written=5, requests=1))
    resumed.add_traffic(Traffic(requests=1, seconds=1.5))

    assert resumed.of("public.a") == Figures(rows_written=15, requests=3)
    assert resumed.traffic == Traffic(requests=4, seconds=5.5)


def test_rows_acknowledged_beyond_the_checkpoint_count_once_after_a_resume() -> None:
    tally = Tally()
    tally.add("public.a", Figures(rows_written=30, bytes_sent=300, requests=3))

    tally.settle("public.a", rows_written=20, bytes_sent=200)
    tally.add("public.a", Figures(rows_written=10, bytes_sent=100, requests=1))

    assert tally.of("public.a") == Figures(rows_written=30, bytes_sent=300, requests=4)


def test_the_sum_is_that_of_all_tables() -> None:
    tally = Tally(tables={"a": Figures(rows_written=1, seconds=1.0), "b": Figures(rows_written=2)})

    assert tally.sum == Figures(rows_written=3, seconds=1.0)


def test_documents_that_hold_no_figures_count_as_zero() -> None:
    tally = Tally.from_json("nonsense", {"a": None, "b": {"requests": "many", "retries": -1}})

    assert tally.traffic == Traffic()
    assert tally.sum == Figures()
