"""What ended a command → exit code and lines."""

import asyncio

import pytest

from streamer.cli.outcome import PIPE_CLOSED, explain
from streamer.errors import (
    ExitCode,
    SettingsError,
    SourceLostError,
    StreamerError,
    TargetError,
    TargetUnavailableError,
    UsageError,
)


@pytest.mark.parametrize(
    "kind", [StreamerError, UsageError, TargetError, TargetUnavailableError, SourceLostError]
)
def test_an_error_of_ours_has_its_own_exit_code_and_says_what_to_do(
    kind: type[StreamerError],
) -> None:
    outcome = explain(kind("it broke", hint="mend it"), interrupted=75)

    assert outcome.code == kind.exit_code
    assert outcome.lines == ("streamer: it broke", "  what to do: mend it")


def test_a_command_without_a_checkpoint_fails_where_a_run_could_be_resumed() -> None:
    outcome = explain(SourceLostError("lost", hint="Run again with --resume."), interrupted=130)

    assert outcome.code == ExitCode.FAILED
    assert outcome.lines == ("streamer: lost", "  what to do: Run again.")


def test_a_command_without_resume_is_run_again_as_it_was() -> None:
    lost = SourceLostError("lost", hint="Run again with --resume.")

    outcome = explain(lost, interrupted=75, resumes=False)
    stopped = explain(KeyboardInterrupt(), interrupted=75, resumes=False)

    assert (outcome.code, stopped.code) == (ExitCode.RESUMABLE, ExitCode.RESUMABLE)
    assert outcome.lines == ("streamer: lost", "  what to do: Run again.")
    assert stopped.lines == ("streamer: interrupted",)


def test_a_command_that_can_not_start_over_names_the_one_that_can() -> None:
    error = UsageError("other settings", hint="Change them back, or start over with --restart.")
    named = UsageError("other files", hint="Start over with `streamer run --restart`.")

    assert "start over with --restart." in explain(error, interrupted=75, restarts=True).lines[1]
    assert "with `streamer run --restart`." in explain(error, interrupted=75).lines[1]
    assert explain(named, interrupted=75).lines[1].count("`streamer run --restart`") == 1


def test_every_problem_of_the_settings_has_its_line() -> None:
    outcome = explain(SettingsError(["a: wrong", "b: wrong"]), interrupted=130)

    assert outcome.code == ExitCode.USAGE
    assert outcome.lines == ("streamer: a: wrong", "streamer: b: wrong")


@pytest.mark.parametrize("code", [75, 130])
def test_an_interrupt_has_the_exit_code_of_its_command(code: int) -> None:
    outcome = explain(KeyboardInterrupt(), interrupted=code)

    assert outcome.code == code
    assert ("--resume" in outcome.lines[0]) == (code == ExitCode.RESUMABLE)


def test_a_reader_that_went_away_is_no_news() -> None:
    assert explain(BrokenPipeError(), interrupted=130).lines == ()
    assert explain(BrokenPipeError(), interrupted=130).code == PIPE_CLOSED


def test_of_several_errors_the_one_that_needs_the_user_counts() -> None:
    group = ExceptionGroup(
        "tasks",
        [SourceLostError("lost"), ExceptionGroup("more", [TargetError("no such database")])],
    )

    outcome = explain(group, interrupted=75)

    assert (outcome.code, outcome.lines) == (1, ("streamer: no such database",))


def test_cancelled_tasks_beside_an_error_do_not_matter() -> None:
    group = BaseExceptionGroup("tasks", [asyncio.CancelledError(), TargetError("gone")])

    assert explain(group, interrupted=75).lines == ("streamer: gone",)


def test_work_that_was_only_cancelled_was_interrupted() -> None:
    assert explain(asyncio.CancelledError(), interrupted=75).code == ExitCode.RESUMABLE


def test_a_fault_of_ours_is_named_by_its_type_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("STREAMER_DEBUG", raising=False)
    group = ExceptionGroup("tasks", [TargetError("gone"), ValueError("a row's value")])

    outcome = explain(group, interrupted=75)

    assert outcome.code == ExitCode.FAILED
    assert "internal error (ValueError)" in outcome.lines[0]
    assert "a row's value" not in "".join(outcome.lines)


def test_a_fault_of_ours_has_a_traceback_when_debugging(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STREAMER_DEBUG", "1")

    outcome = explain(ValueError("why"), interrupted=75)

    assert outcome.lines[-1] == "ValueError: why"


@pytest.mark.parametrize(("raised", "code"), [(0, 0), (3, 3), ("text", 1), (None, 0)])
def test_an_exit_keeps_its_code(raised: object, code: int) -> None:
    assert explain(SystemExit(raised), interrupted=130).code == code
