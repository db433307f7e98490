"""`streamer plan --write-config`, and what is planned by the file that it writes."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.engines.postgres import Database
from tests.engines.sqlite_file import PlainFile
from tests.stories.command import Streamer

pytestmark = pytest.mark.postgres


def test_what_was_written_plans_the_same_and_is_never_overwritten(
    sample_source: Database, tmp_path: Path
) -> None:
    streamer = Streamer(tmp_path, sample_source, PlainFile(tmp_path / "shop.db"), "")
    options = ("--exclude", "log", "--rename", "customer=client", "--timestamps", "seconds")
    written = streamer("plan", *options, "--write-config", "streamer.toml")

    again = streamer("plan", "--config", "streamer.toml")
    refused = streamer("plan", "--write-config", "streamer.toml")

    assert written.code == again.code == 0, written.said + again.said
    assert "streamer run --config streamer.toml" in written.stderr
    assert again.stdout == written.stdout
    assert "→ client" in again.stdout
    assert "# public.employee: about 500 rows, key id" in (tmp_path / "streamer.toml").read_text()
    assert (refused.code, refused.stdout) == (2, "")
    assert "there already" in refused.stderr
