"""A run's figures as Prometheus metrics (prometheus.io/docs/practices/naming, 2026-11)."""

from __future__ import annotations

from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Metric, PlatformCollector, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector

from streamer.progress import Events, TableState, Tally, View
from streamer.progress.history import LATENCY_BOUNDS_S, Latencies


def registry_of(events: Events) -> CollectorRegistry:
    """A registry with everything that is to be said of the run behind `events`, and its process."""
    registry = CollectorRegistry()
    registry.register(_Run(events))
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    return registry


class _Run(Collector):
    """Reads the figures anew whenever somebody asks."""

    def __init__(self, events: Events) -> None:
        self._events = events

    def collect(self) -> Iterable[Metric]:
        """Every metric of the run."""
        view = self._events.view()
        yield from _of_tables(view, self._events.tally)
        yield from _of_requests(view, self._events.tally)
        yield _durations(self._events.latencies)
        yield from _of_state(view)


def _of_tables(view: View, tally: Tally) -> Iterable[Metric]:
    written = _counter("rows_written", "Rows acknowledged by the target, each once.", "table")
    rejected = _counter("rows_rejected", "Rows that the target refuses for good.", "table")
    skipped = _counter("rows_skipped", "Rows left out by a rule.", "table")
    expected = _gauge("rows_expected", "Rows that the table is estimated to have.", "table")
    states = _gauge("tables", "Tables by state.", "state")
    for table in view.tables:
        figures = tally.of(table.name)
        written.add_metric([table.name], figures.rows_written)
        rejected.add_metric([table.name], figures.rows_rejected)
        skipped.add_metric([table.name], figures.rows_skipped)
        if table.is_estimated:
            expected.add_metric([table.name], table.expected)
    for state in TableState:
        states.add_metric([state.value], sum(table.state is state for table in view.tables))
    return written, rejected, skipped, expected, states


def _of_requests(view: View, tally: Tally) -> Iterable[Metric]:
    traffic = tally.traffic
    for name, text, value in (
        ("requests", "Requests sent to the target, every attempt.", traffic.requests),
        ("request_body_bytes", "Bytes of request bodies sent.", traffic.bytes),
        ("request_retries", "Requests that failed and were sent again.", traffic.retries),
        ("rate_limited", "Answers that named the API's rate limit.", traffic.rate_limited),
        ("target_rows_written", "Rows written as D1 bills them.", traffic.rows_written),
    ):
        metric = _counter(name, text)
        metric.add_metric([], value)
        yield metric
    if view.rate is not None:
        yield _single("rate_limit_requests", "Requests allowed in the window.", view.rate.requests)
        yield _single("rate_limit_window_seconds", "The window's length.", view.rate.seconds)
        yield _single(
            "rate_limit_used_requests",
            "Requests that this process sent within the last window.",
            view.window_used,
        )


def _durations(latencies: Latencies) -> Metric:
    counts, upto, buckets = latencies.counts, 0, list[tuple[str, float]]()
    for bound, count in zip((*map(str, LATENCY_BOUNDS_S), "+Inf"), counts, strict=True):
        upto += count
        buckets.append((bound, upto))
    metric = HistogramMetricFamily(
        "streamer_request_duration_seconds", "Seconds until the answer to a request that succeeded."
    )
    metric.add_metric([], buckets, latencies.sum_s)
    return metric


def _of_state(view: View) -> Iterable[Metric]:
    yield _single("rows_per_second", "Rows a second over the last 30 s.", view.speed.rows)
    yield _single("concurrency_limit", "Requests that may be in flight.", view.concurrency)
    yield _single("waiting_seconds", "Seconds for which nothing will be sent.", view.waiting_s)
    yield _single("work_seconds", "Seconds since this process began the run.", view.seconds)
    if view.eta_s is not None:
        yield _single("remaining_seconds", "Seconds to go at the present speed.", view.eta_s)
    phase = _gauge("phase", "1 for what the run does now.", "phase")
    phase.add_metric([view.phase], 1)
    yield phase


def _counter(name: str, text: str, *labels: str) -> CounterMetricFamily:
    return CounterMetricFamily(f"streamer_{name}", text, labels=labels)


def _gauge(name: str, text: str, *labels: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"streamer_{name}", text, labels=labels)


def _single(name: str, text: str, value: float) -> Metric:
    metric = _gauge(name, text)
    metric.add_metric([], value)
    return metric
