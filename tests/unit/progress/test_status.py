import json

from checkpoints import JSON, RunRecord, Saved, StepRecord
from streamer.progress.status import (
    RunState,
    TableProgress,
    status_of,
    to_json,
    to_lines,
)


def a_step(
    number: int,
    table: str,
    kind: str,
    state: str,
    *,
    rows: int = 0,
    estimate: JSON = None,
    which: str = "",
) -> StepRecord:
    return StepRecord(
        step_id=number,
        table=table,
        kind=kind,
        state=state,
        last_key=("canary-key",) if rows else None,
        next_number=1,
        rows=rows,
        bytes=rows * 100,
        document={"target": table.removeprefix("public."), "rows_estimate": estimate}
        | {"which": which},
    )


def a_run(state: str = "running", *steps: StepRecord, epoch: int = 1) -> Saved:
    document: dict[str, JSON] = {
        "tool_version": "0.1.0",
        "started_at": "2026-11-22T10:00:00Z",
        "source": {"database": "shop", "system_identifier": "7", "password": "canary-secret"},
        "target": {"account": "acc", "database": "0dd1", "token": "canary-secret"},
        "tally": {"requests": 12, "retries": 1, "seconds": 75.0},
    }
    return Saved(RunRecord("8f2c", state, epoch, document), steps)


SHOP = (
    a_step(1, "", "schema", "done"),
    a_step(2, "public.a", "rows", "done", rows=40, estimate=50),
    a_step(3, "public.b", "rows", "doing", rows=30, estimate=120),
    a_step(4, "public.c", "rows", "todo", estimate=-1),
    a_step(5, "public.a", "index", "todo", which="a_i"),
)


def test_a_run_that_nobody_holds_is_stopped_and_says_how_to_go_on() -> None:
    status = status_of(a_run("running", *SHOP), pid=None, host=None)

    assert status.state is RunState.STOPPED
    assert "streamer run --resume" in to_lines(status)[0]
    assert to_json(status)["resumable"] is True


def test_a_run_that_a_process_holds_is_running_and_names_it() -> None:
    status = status_of(a_run("running", *SHOP), pid=77, host="box")

    assert status.state is RunState.RUNNING
    assert "process 77 on box" in to_lines(status)[0]


def test_a_run_that_is_done_needs_nothing_more() -> None:
    status = status_of(a_run("done", *SHOP), pid=None, host=None)

    assert status.state is RunState.DONE
    assert to_json(status)["resumable"] is False


def test_a_table_is_done_only_when_all_its_steps_are() -> None:
    status = status_of(a_run("running", *SHOP), pid=None, host=None)

    states = {table.name: table.state for table in status.tables}
    assert states == {
        "public.a": TableProgress.FINISHING,
        "public.b": TableProgress.MOVING,
        "public.c": TableProgress.WAITING,
    }


def test_percentages_are_of_the_estimate_until_the_rows_are_known() -> None:
    status = status_of(a_run("running", *SHOP), pid=None, host=None)

    assert [table.percent for table in status.tables] == [100.0, 25.0, None]
    assert (status.rows, status.expected) == (70, 160)


def test_the_lines_say_what_there_is_and_what_is_to_come() -> None:
    status = status_of(a_run("running", *SHOP, epoch=3), pid=None, host=None)

    assert to_lines(status) == [
        "Run 8f2c: stopped; go on with: streamer run --resume",
        "  started 2026-11-22T10:00:00Z, resumed 2 times",
        "  from shop into 0dd1",
        "  70 of about 160 rows (44 %), 7.0 kB, requests 12, retries 1, 1m 15s of work",
        "",
        "table     state      rows   done   bytes  to come",
        "public.a  finishing    40  100 %  4.0 kB  index",
        "public.b  moving       30   25 %  3.0 kB  rows",
        "public.c  waiting       0      ?     0 B  rows",
    ]


def test_neither_keys_nor_credentials_are_shown() -> None:
    status = status_of(a_run("running", *SHOP), pid=1, host="box")

    shown = json.dumps(to_json(status)) + "".join(to_lines(status))
    assert "canary" not in shown


def test_a_checkpoint_without_facts_still_has_a_status() -> None:
    bare = Saved(RunRecord("8f2c", "running", 1, {}), ())

    assert to_lines(status_of(bare, pid=None, host=None))[0].startswith("Run 8f2c: stopped")


def test_a_holder_without_a_name_is_still_a_run_at_work() -> None:
    status = status_of(a_run("running", *SHOP), pid=None, host="this machine")

    assert to_lines(status)[0] == "Run 8f2c: running"


def test_a_table_whose_steps_are_all_done_has_nothing_to_come() -> None:
    done = a_step(1, "public.a", "rows", "done", rows=40, estimate=50)

    (table,) = status_of(a_run("running", done), pid=None, host=None).tables

    assert (table.state, table.expected, table.percent) == (TableProgress.DONE, 40, 100.0)
