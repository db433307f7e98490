"""Settings that are added to a file change nothing else that it says."""

from __future__ import annotations

import os
import stat
import tempfile
import tomllib
from pathlib import Path

import pytest

from streamer.cli import settings_merge
from streamer.cli.plan import run_parser
from streamer.cli.settings_file import settings_text
from streamer.config import Config
from streamer.errors import SettingsError
from tests.engines.catalogs import column, identified, plan_of
from tests.engines.somebody import NOBODY, as_somebody

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


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o600])
def test_who_may_read_and_write_a_file_stays_as_it_was(tmp_path: Path, mode: int) -> None:
    path, link = tmp_path / "real.toml", tmp_path / "streamer.toml"
    path.write_text("")
    link.symlink_to(path.name)
    owner = (NOBODY, NOBODY) if os.geteuid() == 0 else (os.getuid(), os.getgid())
    os.chown(path, *owner)
    path.chmod(mode)

    settings_merge.replace_file(link, "", "strict = true\n")

    now = path.stat()
    assert path.read_text() == "strict = true\n"
    assert (now.st_uid, now.st_gid, stat.S_IMODE(now.st_mode)) == (*owner, mode)
    assert link.readlink() == Path(path.name)
    assert {one.name for one in tmp_path.iterdir()} == {path.name, link.name}


def test_a_file_of_another_user_is_replaced_where_that_is_allowed_and_others_may_read_it() -> None:
    with tempfile.TemporaryDirectory() as folder:  # pytest's own are for their owner only
        path = Path(folder) / "streamer.toml"
        path.write_text("")
        path.parent.chmod(0o777)
        path.chmod(0o666)

        with as_somebody():
            settings_merge.replace_file(path, "", "strict = true\n")

        assert path.read_text() == "strict = true\n"
        assert stat.S_IMODE(path.stat().st_mode) == 0o666


def test_a_file_that_is_read_only_is_refused_even_for_root_who_could(tmp_path: Path) -> None:
    path = tmp_path / "streamer.toml"
    path.write_text("")
    path.chmod(0o444)

    with pytest.raises(SettingsError, match=r"read-only; allow writing \(chmod u\+w\)"):
        settings_merge.refuse_unwritable(path)
    path.chmod(0o644)
    settings_merge.refuse_unwritable(path)


def test_a_file_that_others_alone_may_write_to_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "streamer.toml"
    path.write_text("")
    monkeypatch.setattr(os, "access", lambda asked, _wanted: asked != path)

    with pytest.raises(SettingsError, match="this user can't write to it; run as its owner"):
        settings_merge.refuse_unwritable(path)


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
