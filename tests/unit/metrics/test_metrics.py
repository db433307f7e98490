"""Metrics and the status page, as Prometheus and a browser get them."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
from pathlib import Path

import aiohttp
import pytest
from prometheus_client.parser import text_string_to_metric_families

from streamer.errors import UsageError
from streamer.metrics import serving
from streamer.metrics.status import document
from streamer.model import Answer, Rate
from streamer.progress import Events

HOSTILE = 'public.<script>alert(1)</script>"\\\n'
CHROMIUM = shutil.which("chromium")


class Hands:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def a_run(clock: Hands) -> Events:
    """Two tables, one of them done, a second after the other; one request was repeated."""
    events = Events(clock, rate=Rate(1080, 300))
    events.phase("moving rows")
    events.table_expected("public.users", 1_000)
    events.table_expected(HOSTILE, -1)
    events.table_started(HOSTILE, -1)
    for rows in (10, 20):
        clock.now += 1
        events.sent(500)
        events.answered(0.15, rows)
        events.chunk_written(HOSTILE, rows, 500)
        events.request_answered([HOSTILE], Answer((), attempts=1))
        events.view()
    events.retried("overloaded", 1.0)
    events.rows_skipped(HOSTILE, 3)
    events.table_finished(HOSTILE)
    events.concurrency(4)
    return events


async def got(address: str, **headers: str) -> tuple[int, str]:
    async with aiohttp.ClientSession() as session, session.get(address, headers=headers) as answer:
        return answer.status, await answer.text()


async def test_prometheus_reads_every_figure() -> None:
    async with serving(a_run(Hands()), 0) as address:
        _, text = await got(f"{address}metrics")

    families = {family.name: family for family in text_string_to_metric_families(text)}
    values = {(s.name, *s.labels.values()): s.value for f in families.values() for s in f.samples}
    assert values["streamer_rows_written_total", HOSTILE] == 30
    assert values["streamer_rows_skipped_total", HOSTILE] == 3
    assert values["streamer_rows_expected", "public.users"] == 1_000
    assert values["streamer_tables", "done"] == 1
    assert values["streamer_requests_total",] == 2
    assert values["streamer_request_body_bytes_total",] == 1_000
    assert values["streamer_request_retries_total",] == 1
    assert values["streamer_target_rows_written_total",] == 30
    assert values["streamer_rate_limit_requests",] == 1_080
    assert values["streamer_rate_limit_used_requests",] == 2
    assert values["streamer_request_duration_seconds_bucket", "0.1"] == 0
    assert values["streamer_request_duration_seconds_bucket", "0.2"] == 2
    assert values["streamer_request_duration_seconds_count",] == 2
    assert values["streamer_concurrency_limit",] == 4
    assert values["streamer_phase", "moving rows"] == 1
    assert "process_resident_memory_bytes" in families or shutil.which("ps") is None
    assert all(f.documentation for f in families.values())


async def test_metrics_can_be_asked_for_again_and_again() -> None:
    clock = Hands()
    events = a_run(clock)
    async with serving(events, 0) as address:
        await got(f"{address}metrics")
        events.chunk_written(HOSTILE, 5, 10)
        _, text = await got(f"{address}metrics")

    assert " 35.0\n" in text


def test_the_document_tells_speeds_tables_and_the_latest_lines() -> None:
    shown = document(a_run(Hands()))

    assert shown["rows"] == 33
    assert shown["rows_expected"] == 1_033
    assert shown["speeds"] == [
        {
            "at_s": 2.0,
            "rows_per_s": 20.0,
            "bytes_per_s": 500.0,
            "window_used": 2,
            "concurrency": 0,
            "retries": 0,
        }
    ]
    assert {"name": HOSTILE, "state": "done", "rows": 33, "rows_expected": None} in shown["tables"]  # pyright: ignore[reportOperatorIssue]
    assert shown["latest"][-1]["line"].endswith("done, 30 rows in 2.0s, 3 left out")  # pyright: ignore[reportIndexIssue]


def test_a_sum_of_rows_that_nobody_knows_is_not_guessed() -> None:
    events = Events(Hands())
    events.table_expected("public.users", -1)

    assert document(events)["rows_expected"] is None


async def test_the_page_needs_nothing_from_elsewhere() -> None:
    async with serving(a_run(Hands()), 0) as address:
        pages = [await got(f"{address}{name}") for name in ("", "page.css", "page.js")]

    assert [status for status, _ in pages] == [200, 200, 200]
    assert not any("://" in text for _, text in pages)


async def test_who_asks_by_another_name_is_refused() -> None:
    async with serving(a_run(Hands()), 0) as address:
        statuses = [
            (await got(f"{address}status.json", Host=host))[0]
            for host in ("evil.example", "evil.example:80", "localhost", "localhost:80", "[::1]:80")
        ]

    assert statuses == [403, 403, 200, 200, 200]


async def test_a_port_that_is_taken_is_told_before_anything_begins() -> None:
    async with serving(a_run(Hands()), 0) as address:
        port = int(address.rstrip("/").rpartition(":")[2])
        with pytest.raises(UsageError, match=f"port {port}") as caught:
            async with serving(a_run(Hands()), port):
                raise AssertionError("two servers can't have one port")

    assert "--metrics-port" in caught.value.what


@pytest.mark.skipif(CHROMIUM is None, reason="no chromium on PATH")
async def test_a_browser_shows_the_run_and_runs_no_names(tmp_path: Path) -> None:
    async with serving(a_run(Hands()), 0) as address:
        browser = await asyncio.create_subprocess_exec(
            str(CHROMIUM), "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic",
            "--no-first-run", "--disable-background-networking", "--disable-component-update",
            "--disable-sync", f"--user-data-dir={tmp_path}", "--virtual-time-budget=3000",
            "--dump-dom", address,
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        dom, _ = await browser.communicate()

    text = dom.decode()
    assert '<h1 id="phase">moving rows</h1>' in text
    assert "33 of about 1,033 rows" in text
    assert "public.&lt;script&gt;alert(1)&lt;/script&gt;" in text
