"""A job's events as spans."""

from __future__ import annotations

import logging
import subprocess
import sys
from itertools import count

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from streamer.errors import TargetError
from streamer.progress import Events
from streamer.tracing import NS, TracedEvents, Traces, counting, exporting, of_the_host
from tests.engines.trace_collector import collecting


@pytest.fixture
def exporter() -> InMemorySpanExporter:
    return InMemorySpanExporter()


@pytest.fixture
def events(exporter: InMemorySpanExporter) -> TracedEvents:
    """Events whose moments are one second apart."""
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    seconds = count(1_000)
    traces = Traces(provider.get_tracer("streamer"), lambda: next(seconds) * NS)
    return TracedEvents(lambda: 0.0, traces, "run")


def spans(exporter: InMemorySpanExporter) -> dict[str, ReadableSpan]:
    return {span.name: span for span in exporter.get_finished_spans()}


def test_a_job_its_tables_and_its_requests_are_spans_within_each_other(
    events: TracedEvents, exporter: InMemorySpanExporter
) -> None:
    with events.job():
        events.phase("moving rows")
        events.table_started("public.a", 7)
        events.sent(100)
        events.answered(0.5, 14)
        events.chunk_written("public.a", 7, 90)
        events.table_finished("public.a")

    found = spans(exporter)
    job, table, request = (found[n] for n in ("streamer run", "table public.a", "D1 request"))
    assert job.parent is None
    assert [span.parent for span in (table, request)] == [job.context, job.context]
    assert table.attributes is not None
    assert table.attributes["streamer.rows_written"] == 7
    assert table.attributes["streamer.bytes_sent"] == 90
    assert request.kind is SpanKind.CLIENT
    assert request.end_time - request.start_time == NS // 2
    assert job.attributes is not None
    assert job.attributes["streamer.d1_rows_written"] == 14
    assert [event.name for event in job.events] == ["moving rows"]
    assert job.start_time < table.start_time < table.end_time < job.end_time


def test_it_counts_as_events_always_do(events: TracedEvents) -> None:
    plain = Events(lambda: 0.0)

    for each in (events, plain):
        each.table_expected("public.a", 7)
        each.table_started("public.a", 7)
        each.sent(100)
        each.retried("rate limited", 1.0)
        each.answered(0.5, 14)
        each.chunk_written("public.a", 7, 90)
        each.table_finished("public.a")

    assert events.view() == plain.view()
    assert events.tally.traffic == plain.tally.traffic


def test_a_job_that_fails_ends_its_spans_and_tells_no_more_than_the_errors_kind(
    events: TracedEvents, exporter: InMemorySpanExporter
) -> None:
    def fail() -> None:
        with events.job():
            events.table_started("public.a", 7)
            events.retried("overloaded", 2.0)
            raise TargetError("orders, id 81: secret")

    with pytest.raises(TargetError):
        fail()

    found = spans(exporter)
    assert {*found} == {"streamer run", "table public.a"}
    status = found["streamer run"].status
    assert (status.status_code, status.description) == (StatusCode.ERROR, "TargetError")
    assert "secret" not in found["streamer run"].to_json()
    assert found["streamer run"].events[0].attributes == {
        "streamer.failure": "overloaded",
        "streamer.wait_s": 2.0,
    }


def test_a_table_that_is_read_twice_has_two_spans(
    events: TracedEvents, exporter: InMemorySpanExporter
) -> None:
    with events.job():
        for _ in range(2):
            events.table_started("public.a", 7)
            events.table_finished("public.a")

    names = [span.name for span in exporter.get_finished_spans()]
    assert names == ["table public.a", "table public.a", "streamer run"]


@pytest.mark.parametrize(
    "environ",
    [
        {},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1", "OTEL_SDK_DISABLED": "True"},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1", "OTEL_TRACES_EXPORTER": "none"},
    ],
)
def test_nothing_is_traced_unless_a_collector_is_named(environ: dict[str, str]) -> None:
    with exporting(environ) as traces:
        assert traces is None
        with counting(traces, "run", rate=None, say=print) as events:
            assert type(events) is Events


def test_a_command_that_is_not_traced_loads_nothing_of_opentelemetry() -> None:
    code = (
        "import sys, streamer.cli.run, streamer.library, streamer.tracing as t\n"
        "with t.exporting({}) as traces, t.counting(t.of_the_host(), 'run', rate=None, say=print): pass\n"
        "sys.exit(any(name.startswith('opentelemetry') for name in sys.modules))"
    )

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_spans_go_to_the_collector_that_the_environment_names(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with collecting() as collector:
        environ = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.address}
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.address)
        with (
            exporting(environ) as traces,
            counting(traces, "run", rate=None, say=print) as events,
        ):
            events.table_started("public.a", 7)

    assert [span.name for span in collector.spans] == ["table public.a", "streamer run"]
    assert collector.services == {"streamer"}


def test_a_collector_that_is_away_is_mentioned_once_and_costs_nothing_else(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")
    environ = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"}

    with (
        caplog.at_level(logging.INFO),
        exporting(environ) as traces,
        counting(traces, "run", rate=None, say=print) as events,
    ):
        events.answered(0.1, 1)

    said = [record.getMessage() for record in caplog.records]
    assert said == ["traces can't be sent to the collector; the job goes on without them"]


def test_without_the_extra_it_is_said_what_to_install(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http.trace_exporter", None)

    with exporting({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"}) as traces:
        assert traces is None

    assert "pip install 'd1-streamer[otel]'" in caplog.text


def test_a_host_that_has_set_tracing_up_gets_the_librarys_spans() -> None:
    assert of_the_host() is not None
