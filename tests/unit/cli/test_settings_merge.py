"""Settings that are added to a file change nothing else that it says."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path

import pytest

from streamer.cli import settings_merge
from streamer.cli.plan import run_parser
from streamer.cli.settings_file import settings_text
from streamer.config import Config
from streamer.errors import SettingsError
from tests.engines.catalogs import column, identified, plan_of

FOUND = {"batch_bytes": 2_000_000, "concurrency": 3}
SECTION = ["[measured]", "# What was seen.", 'kind = "d1"', "round_trip_s = 0.25"]
SEEN = {"measured": {"kind": "d1", "round_trip_s": 0.25}}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "strict = true",
        '[source]\nuser = "x"\n',
        '# mine\nstrict = true\n\n# concurrency = "auto"\n[source]\n# concurrency = "auto"\n',
        'table = [\n  "a",\n  "b",\n]\nconcurrency = 3\n',
        settings_text(Config(), plan_of(identified("orders", column("note"))), run_parser()),
    ],
)
def test_what_the_file_says_is_kept_and_the_settings_come_in(text: str) -> None:
    after = settings_merge.merged(text, FOUND, SECTION)

    assert after is not None
    assert tomllib.loads(after) == {**tomllib.loads(text), **FOUND, **SEEN}
    lost = set(text.splitlines()) - set(after.splitlines())
    assert lost <= {'# concurrency = "auto"', '# batch_bytes = "auto"'}
    assert settings_merge.merged(after, FOUND, SECTION) == after


@pytest.mark.parametrize(
    "text",
    [
        "concurrency = 8\n",
        'concurrency = "auto"\n',
        "table = [\n[1],\n]\n",
        'note = """\n# concurrency = 1\n"""\n',
    ],
)
def test_a_file_that_says_otherwise_or_is_not_understood_exactly_is_left(text: str) -> None:
    assert settings_merge.merged(text, FOUND, SECTION) is None


@pytest.mark.parametrize("behind", ["", "\n# mine\n[source]\nport = 1\n", "[source]\nport = 1\n"])
def test_what_was_seen_before_gives_way_to_what_was_seen_now(behind: str) -> None:
    text = f'{settings_merge.lines(FOUND)[0]}\n[measured]\n# Long ago.\nat = "then"\n{behind}'

    after = settings_merge.merged(text, FOUND, SECTION)

    assert after is not None
    source = {"source": {"port": 1}} if behind else {}
    assert tomllib.loads(after) == {**FOUND, **SEEN, **source}
    assert "Long ago" not in after
    assert ("# mine" in after) is ("# mine" in behind)


@pytest.mark.parametrize(
    "behind",
    [
        "# big tables\n[tables.orders]\nwhere = 'id > 1'\n",
        "# strict = true\n  # batch_size = 7\n",
        "# the last line",
        "\n# apart\n# batch_size = 7\n",
    ],
)
@pytest.mark.parametrize("settings", ["# Long ago.\nat = 'then'\nround_trip_s = 1.0\n", ""])
def test_comments_behind_the_section_that_gives_way_stay(settings: str, behind: str) -> None:
    head = "".join(f"{line}\n" for line in settings_merge.lines(FOUND))

    after = settings_merge.merged(f"{head}\n[measured]\n{settings}{behind}", FOUND, SECTION)

    written = "".join(f"{line}\n" for line in SECTION)
    assert after == f"{head}\n{written}{behind}"


def test_a_file_is_replaced_whole_unless_it_changed_meanwhile(tmp_path: Path) -> None:
    path = tmp_path / "streamer.toml"
    assert settings_merge.read(path) is None
    path.write_text("strict = true\n")

    settings_merge.replace_file(path, "strict = true\n", "strict = false\n")
    with pytest.raises(SettingsError, match="changed meanwhile"):
        settings_merge.replace_file(path, "strict = true\n", "")

    assert path.read_text() == "strict = false\n"


def test_a_folder_that_nothing_can_be_written_into_is_told_before_anything_is_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Path] = []

    def access(folder: Path, wanted: int) -> bool:
        asked.append(folder)
        return not wanted & os.W_OK

    (tmp_path / "mine.toml").symlink_to(tmp_path / "elsewhere" / "streamer.toml")
    settings_merge.refuse_unwritable(tmp_path / "streamer.toml")
    monkeypatch.setattr(os, "access", access)

    with pytest.raises(SettingsError, match="can't be written into"):
        settings_merge.refuse_unwritable(tmp_path / "mine.toml")
    assert asked == [tmp_path / "elsewhere"]


@pytest.mark.parametrize(("text", "why"), [(b"a = ", "TOML"), (b"\xff", "UTF-8")])
def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path, text: bytes, why: str) -> None:
    path = tmp_path / "streamer.toml"
    path.write_bytes(text)

    with pytest.raises(SettingsError, match=why):
        settings_merge.read(path)
    with pytest.raises(SettingsError, match="no such folder"):
        settings_merge.read(tmp_path / "gone" / "streamer.toml")
