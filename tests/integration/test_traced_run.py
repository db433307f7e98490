"""A run whose spans go to a collector."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.engines.postgres import Database
from tests.engines.sqlite_file import PlainFile
from tests.engines.trace_collector import collecting
from tests.stories.command import Streamer

pytestmark = pytest.mark.postgres


def test_a_run_is_one_trace_with_its_tables_and_requests(
    sample_source: Database, tmp_path: Path
) -> None:
    streamer = Streamer(tmp_path, sample_source, PlainFile(tmp_path / "shop.db"), "")

    with collecting() as collector:
        streamer.overrides["OTEL_EXPORTER_OTLP_ENDPOINT"] = collector.address
        done = streamer("run")

    assert done.code == 0, done.said
    names = [span.name for span in collector.spans]
    tables = {f"table {table['name']}" for table in streamer.report["tables"]}
    assert {*names} == {"streamer run", "D1 request", *tables}
    # Questions about the database itself aren't statements.
    assert 9 < names.count("D1 request") <= streamer.report["totals"]["requests"]
    assert len({span.trace_id for span in collector.spans}) == 1
