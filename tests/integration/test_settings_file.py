"""`streamer plan --write-config`, and what is planned by the file that it writes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.engines.postgres import Database
from tests.engines.sqlite_file import PlainFile
from tests.stories.command import Outcome, Streamer

pytestmark = pytest.mark.postgres


def planned(outcome: Outcome) -> str:
    """What a plan says, but for the estimates, which PostgreSQL may mend meanwhile."""
    plan, _, _ = outcome.stdout.partition("Estimate:")
    return re.sub(r"about [\d,]+ rows, .*", "", plan)


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
    assert planned(again) == planned(written)
    assert "→ client" in again.stdout
    assert re.search(
        r"^# public.employee: about [\d,]+ rows, key id$",
        (tmp_path / "streamer.toml").read_text(),
        re.MULTILINE,
    )
    assert (refused.code, refused.stdout) == (2, "")
    assert "there already" in refused.stderr
