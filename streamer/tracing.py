"""Traces by OpenTelemetry: a span for the job, one for each table, one for each request.

Only table names and figures are in them: no key, no value, no SQL. Nothing of OpenTelemetry is
loaded before somebody asks for traces, and without it the job's events cost what they always do.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import field
from typing import TYPE_CHECKING

from streamer.frozen import frozen
from streamer.model import Rate
from streamer.progress import Events
from streamer.progress.events import Clock, silent

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
    from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
    from opentelemetry.trace import Span, Tracer

ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
EXPORT_S = 3.0  # a collector that is away holds up the end of a job for so long at most, twice
NS = 1_000_000_000

log = logging.getLogger("streamer.tracing")


@frozen
class Traces:
    """Where spans begin, and how the moment is told: `now_ns` is nanoseconds since 1970."""

    tracer: Tracer
    now_ns: Callable[[], int] = field(default=time.time_ns)


class TracedEvents(Events):
    """Events that become spans too; `job` names the outermost one (`run`, `validate` ...)."""

    def __init__(
        self,
        clock: Clock,
        traces: Traces,
        job: str,
        *,
        rate: Rate | None = None,
        say: Callable[[str], None] = silent,
    ) -> None:
        super().__init__(clock, rate=rate, say=say)
        from opentelemetry import trace  # noqa: PLC0415 (an extra)

        self._traces = traces
        self._kind = trace.SpanKind
        self._span = traces.tracer.start_span(f"streamer {job}", start_time=traces.now_ns())
        self._within = trace.set_span_in_context(self._span)
        self._open: dict[str, Span] = {}

    @contextmanager
    def job(self) -> Generator[None]:
        """The job goes on within this block; what ends it early is noted by its kind alone."""
        from opentelemetry.trace import Status, StatusCode  # noqa: PLC0415 (an extra)

        try:
            yield
        except BaseException as error:
            self._span.set_status(Status(StatusCode.ERROR, type(error).__name__))
            raise
        finally:
            for table in [*self._open]:
                self._close(table)
            traffic, rows = self.tally.traffic, self.tally.sum
            self._span.set_attributes(
                {
                    "streamer.rows_written": rows.rows_written,
                    "streamer.rows_rejected": rows.rows_rejected,
                    "streamer.requests": traffic.requests,
                    "streamer.retries": traffic.retries,
                    "streamer.d1_rows_written": traffic.rows_written,
                }
            )
            self._span.end(self._traces.now_ns())

    def phase(self, name: str) -> None:
        """Noted on the job's span."""
        super().phase(name)
        self._span.add_event(name, timestamp=self._traces.now_ns())

    def table_started(self, table: str, rows_estimate: int) -> None:
        """Begin the table's span."""
        super().table_started(table, rows_estimate)
        self._close(table)
        span = self._traces.tracer.start_span(
            f"table {table}",
            context=self._within,
            start_time=self._traces.now_ns(),
            attributes={"streamer.table": table},
        )
        self._open[table] = span

    def table_finished(self, table: str) -> None:
        """End the table's span."""
        super().table_finished(table)
        self._close(table)

    def answered(self, seconds: float, rows_written: int) -> None:
        """A span for the request, which began `seconds` ago."""
        super().answered(seconds, rows_written)
        now = self._traces.now_ns()
        self._traces.tracer.start_span(
            "D1 request",
            context=self._within,
            kind=self._kind.CLIENT,
            start_time=now - int(seconds * NS),
            attributes={"streamer.d1_rows_written": rows_written},
        ).end(now)

    def retried(self, kind: str, wait_s: float) -> None:
        """Noted on the job's span."""
        super().retried(kind, wait_s)
        facts = {"streamer.failure": kind, "streamer.wait_s": wait_s}
        self._span.add_event("request failed", facts, timestamp=self._traces.now_ns())

    def _close(self, table: str) -> None:
        if (span := self._open.pop(table, None)) is None:
            return
        figures = self.tally.of(table)
        span.set_attributes(
            {
                "streamer.rows_written": figures.rows_written,
                "streamer.rows_rejected": figures.rows_rejected,
                "streamer.rows_skipped": figures.rows_skipped,
                "streamer.bytes_sent": figures.bytes_sent,
            }
        )
        span.end(self._traces.now_ns())


@contextmanager
def counting(
    traces: Traces | None, job: str, *, rate: Rate | None, say: Callable[[str], None]
) -> Generator[Events]:
    """The events of a job, with spans where there are `traces`."""
    if traces is None:
        yield Events(time.monotonic, rate=rate, say=say)
        return
    events = TracedEvents(time.monotonic, traces, job, rate=rate, say=say)
    with events.job():
        yield events


@contextmanager
def exporting(environ: Mapping[str, str]) -> Generator[Traces | None]:
    """Traces for the collector that OpenTelemetry's own variables name; None where none does.

    It can be away: that is said once, and the job goes on.
    """
    wanted = any(environ.get(name) for name in ENDPOINTS)
    off = environ.get("OTEL_SDK_DISABLED", "").lower() == "true"
    if not wanted or off or environ.get("OTEL_TRACES_EXPORTER", "otlp") != "otlp":
        yield None
        return
    provider = _provider(environ)
    if provider is None:
        log.warning(
            "traces aren't sent: OTEL_EXPORTER_OTLP_ENDPOINT is set, but OpenTelemetry isn't"
            " installed: pip install 'd1-streamer[otel]', or unset it"
        )
        yield None
        return
    try:
        yield Traces(provider.get_tracer("streamer"))
    finally:
        provider.shutdown()


def of_the_host() -> Traces | None:
    """Traces for a program that has set OpenTelemetry up itself; None where it hasn't loaded it."""
    import sys  # noqa: PLC0415 (only here)

    if "opentelemetry.sdk.trace" not in sys.modules:
        return None
    from opentelemetry import trace  # noqa: PLC0415 (an extra)

    return Traces(trace.get_tracer("streamer"))


def _provider(environ: Mapping[str, str]) -> TracerProvider | None:
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import (  # noqa: PLC0415 (an extra)
            OTLPSpanExporter,
        )
        from opentelemetry.sdk.resources import Resource  # noqa: PLC0415 (an extra)
        from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415 (an extra)
        from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415 (an extra)
    except ImportError:  # the extra isn't installed
        return None
    named = {} if environ.get("OTEL_SERVICE_NAME") else {"service.name": "streamer"}
    provider = TracerProvider(resource=Resource.create(named), shutdown_on_exit=False)
    logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)  # _Patient says it once
    exporter = _patient(OTLPSpanExporter(timeout=EXPORT_S))
    provider.add_span_processor(BatchSpanProcessor(exporter))
    return provider


def _patient(exporter: SpanExporter) -> SpanExporter:
    """`exporter`, which says once that the collector can't be reached."""
    from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult  # noqa: PLC0415 (an extra)

    class Patient(SpanExporter):
        said = False

        def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
            result = exporter.export(spans)
            if result is not SpanExportResult.SUCCESS and not self.said:
                self.said = True
                log.warning("traces can't be sent to the collector; the job goes on without them")
            return result

        def shutdown(self) -> None:
            exporter.shutdown()

    return Patient()
