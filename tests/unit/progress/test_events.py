from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from streamer.d1.failures import FailureKind
from streamer.model import Answer, Rate
from streamer.progress import Events, Figures, TableState, Tally, Traffic
from streamer.progress.lines import Line


@dataclass
class Watch:
    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


def test_rows_count_when_they_are_written_not_when_they_are_read() -> None:
    events = Events(Watch())

    events.table_started("public.a", 100)
    events.page_read("public.a", 50)
    events.chunk_written("public.a", 20, 2_000)

    assert events.tally.of("public.a").rows_read == 20
    assert events.tally.of("public.a").bytes_sent == 2_000
    assert events.view().rows == 20


def test_the_client_s_requests_count_for_the_run_and_a_shared_one_for_its_first_table() -> None:
    events = Events(Watch())

    events.sent(10)
    events.retried(FailureKind.DISCONNECTED, 0.5)
    events.sent(10)
    events.answered(0.2, 7)
    events.request_answered(("public.a", "public.b"), Answer(results=(), attempts=2))
    events.sent(5)
    events.answered(0.1, 1)

    assert events.tally.traffic == Traffic(requests=3, retries=1, bytes=25, rows_written=8)
    assert events.tally.of("public.a") == Figures(requests=2, retries=1)
    assert events.tally.of("public.b") == Figures()


def test_programs_are_told_of_which_run_table_and_batch_a_line_is() -> None:
    said: list[str] = []
    events = Events(Watch(), say=said.append)

    events.run_known("run-1", 2)
    events.table_started("public.a", 10)
    events.request_answered(("public.a",), Answer(results=(), attempts=2, seconds=0.25))
    events.retried(FailureKind.DISCONNECTED, 0.5)

    lines = [line for line in said if isinstance(line, Line)]
    assert lines == said
    assert all(line.facts["run"] == "run-1" for line in lines)
    assert lines[1].facts["table"] == "public.a"
    assert lines[2] == "batch 1: public.a, acknowledged at attempt 2 in 0.250s"
    assert {"batch": 1, "attempt": 2, "seconds": 0.25}.items() <= lines[2].facts.items()
    assert [line.routine for line in lines] == [False, False, True, False]
    assert [*events.latest][-2][1] == lines[1]


def test_a_table_s_seconds_are_those_while_it_moved_and_add_up_over_resumes() -> None:
    watch = Watch()
    recorded = Tally(Traffic(seconds=60.0), {"public.a": Figures(rows_written=5, seconds=50.0)})
    events = Events(watch, tally=recorded)

    watch.now += 2
    events.table_started("public.a", 10)
    watch.now += 3
    events.recorded("public.a")
    watch.now += 4
    events.table_finished("public.a")
    watch.now += 5

    assert events.recorded("public.a")["seconds"] == 57.0
    assert events.recorded()["seconds"] == 74.0


def test_a_resumed_table_shows_the_rows_it_had() -> None:
    events = Events(Watch(), tally=Tally(tables={"public.a": Figures(rows_written=5)}))

    events.table_started("public.a", 10)

    (table,) = events.view().tables
    assert (table.rows, table.expected, table.state) == (5, 10, TableState.MOVING)


def test_the_speed_is_that_of_the_last_half_minute() -> None:
    watch = Watch()
    events = Events(watch)
    events.table_started("public.a", 10_000)
    events.view()
    for _ in range(100):
        watch.now += 1
        events.sent(100)
        events.chunk_written("public.a", 10, 100)
    for _ in range(40):
        watch.now += 1
        events.sent(200)
        events.chunk_written("public.a", 30, 100)

    speed = events.view().speed

    assert speed.rows == 30
    assert speed.bytes == 200


def test_requests_leave_the_window_when_it_has_passed_over_them() -> None:
    watch = Watch()
    events = Events(watch, rate=Rate(10, 300))
    for _ in range(3):
        events.sent(1)
        watch.now += 100

    assert events.view().window_used == 2
    assert events.view().requests == 3


def test_a_pause_is_shown_until_it_ends_or_something_is_sent() -> None:
    watch = Watch()
    events = Events(watch)

    events.paused(300, "the API's limit was reached")
    watch.now += 100
    waiting = events.view()
    events.sent(1)
    sending = events.view()

    assert (waiting.waiting_s, waiting.waiting_for) == (200, "the API's limit was reached")
    assert sending.waiting_s == 0


def test_a_full_window_is_shown_as_a_wait_until_its_first_request_falls_out() -> None:
    watch = Watch()
    events = Events(watch, rate=Rate(3, 300))
    for _ in range(3):
        events.sent(1)
        watch.now += 10

    full = events.view()
    watch.now += 269
    nearly = events.view()
    watch.now += 1
    free = events.view()

    assert (full.waiting_s, full.waiting_for) == (270, "the rate limit is used up")
    assert (nearly.waiting_s, nearly.waiting_for) == (0, "")  # requests are only spread
    assert (free.waiting_s, free.window_used) == (0, 2)


def test_a_warning_is_told_once_however_often_it_comes() -> None:
    said: list[str] = []
    events = Events(Watch(), say=said.append)

    events.warning("public.a.b: 3 values print rounded")
    events.warning("public.a.b: 3 values print rounded")

    assert said == ["warning: public.a.b: 3 values print rounded"]
    assert events.warnings == ["public.a.b: 3 values print rounded"]


def test_hundreds_of_warnings_are_told_in_short_and_kept_one_by_one() -> None:
    said: list[str] = []
    events = Events(Watch(), say=said.append)

    events.warnings_in_short(
        ["a: is lost", "b: is lost", "c: differs"], ["a, b: is lost", "c: differs"]
    )

    assert events.warnings == ["a: is lost", "b: is lost", "c: differs"]
    assert said == [
        "detail: a: is lost",
        "detail: b: is lost",
        "warning: a, b: is lost",
        "warning: c: differs",
    ]
    assert [line for _, line in events.latest] == ["warning: a, b: is lost", "warning: c: differs"]


def test_the_story_names_what_begins_and_ends() -> None:
    said: list[str] = []
    watch = Watch()
    events = Events(watch, say=said.append)

    events.phase("moving rows")
    events.table_started("public.a", 3)
    events.chunk_written("public.a", 3, 10)
    watch.now += 1.5
    events.table_finished("public.a")

    assert said == [
        "moving rows",
        "public.a: started, about 3 rows",
        "public.a: done, 3 rows in 1.5s",
    ]


def test_hostile_names_can_not_forge_lines() -> None:
    said: list[str] = []

    Events(Watch(), say=said.append).table_started("public.a\n\x1b[2Jdone", -1)

    assert said == [r"public.a\n\x1b[2Jdone: started, rows not estimated"]


def test_a_storm_of_failures_is_counted_in_full_and_told_in_few_lines() -> None:
    said: list[str] = []
    watch = Watch()
    events = Events(watch, say=said.append)

    for _ in range(100):
        events.retried(FailureKind.RATE_LIMITED, 1.0)
    watch.now += 10
    events.retried(FailureKind.RATE_LIMITED, 2.0)

    assert said == [
        "request failed (rate limited), again in 1.0s",
        "request failed (rate limited), again in 2.0s, and 99 more since the last such line",
    ]
    assert events.tally.traffic == Traffic(retries=101, rate_limited=101)


def test_tables_that_wait_are_part_of_what_is_expected() -> None:
    events = Events(Watch())

    events.table_expected("public.a", 100)
    events.table_expected("public.b", 300)
    events.table_started("public.a", 100)
    events.table_expected("public.a", 120)

    view = events.view()
    assert [(table.name, table.state) for table in view.tables] == [
        ("public.a", TableState.MOVING),
        ("public.b", TableState.WAITING),
    ]
    assert view.expected == 420


def test_rows_that_are_left_out_or_rejected_count_as_read_and_are_told() -> None:
    said: list[str] = []
    events = Events(Watch(), say=said.append)

    events.table_started("public.a", 6)
    events.chunk_written("public.a", 3, 30)
    events.rows_rejected("public.a", 2)
    events.rows_skipped("public.a", 1)
    events.table_finished("public.a")

    assert events.tally.of("public.a").rows_read == 6
    assert said[-1] == "public.a: done, 3 rows in 0.0s, 2 rejected, 1 left out"


def test_a_phase_is_told_once_while_it_lasts() -> None:
    said: list[str] = []
    events = Events(Watch(), say=said.append)

    for name in ("moving rows", "building indexes", "building indexes", "checking"):
        events.phase(name)

    assert said == ["moving rows", "building indexes", "checking"]


@given(st.lists(st.tuples(st.integers(1, 50), st.booleans(), st.booleans()), max_size=40))
def test_figures_over_any_number_of_kills_are_those_of_one_run(
    chunks: list[tuple[int, bool, bool]],
) -> None:
    """Each chunk: its rows, whether the checkpoint is saved behind it, whether a kill follows."""
    position = rows_saved = 0
    events = Events(Watch())
    saved: dict[str, object] = {}
    while position < len(chunks):
        rows, save, kill = chunks[position]
        events.chunk_written("a", rows, rows * 10)
        position += 1
        if save:
            saved = {"a": events.recorded("a")}
            rows_saved = position
        if kill:
            chunks[position - 1] = (rows, True, False)  # the next time it survives
            position = rows_saved
            events = Events(Watch(), tally=Tally.from_json({}, saved))
            durable = sum(count for count, _, _ in chunks[:position])
            events.tally.settle("a", rows_written=durable, bytes_sent=durable * 10)

    total = sum(count for count, _, _ in chunks)
    assert events.tally.of("a").rows_read == total
    assert events.tally.of("a").bytes_sent == total * 10


def test_how_far_a_phase_is_shows_to_who_looks_in_until_the_next() -> None:
    said: list[str] = []
    events = Events(lambda: 0.0, say=said.append)

    events.phase("reading 2 files")
    events.so_far("1.5 GB of 4.9 GB")
    during = events.view().phase
    events.phase("moving rows")

    assert during == "reading 2 files: 1.5 GB of 4.9 GB"
    assert events.view().phase == "moving rows"
    assert said == ["reading 2 files", "moving rows"]
