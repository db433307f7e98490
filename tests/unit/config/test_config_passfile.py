"""`.pgpass`, as libpq reads it."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.config import passfile

WORDS = st.text(st.characters(exclude_characters="\n\r\0", exclude_categories=("Cs", "Cc", "Zl", "Zp")), min_size=1)  # fmt: skip


def find(text: str, host: str | None = "db", port: int | None = 5432) -> str | None:
    found = passfile.find(text, host=host, port=port, database="shop", user="me")
    return None if found is None else found.reveal()


def escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace(":", "\\:")


@given(WORDS, WORDS, WORDS, WORDS)
def test_what_was_escaped_is_found_again(
    host: str, database: str, user: str, password: str
) -> None:
    line = ":".join([escaped(host), "*", *map(escaped, (database, user, password))])
    if line.startswith("#") or host in passfile.SOCKET_FOLDERS:
        return

    found = passfile.find(line, host=host, port=1, database=database, user=user)

    assert found is not None
    assert found.reveal() == password


@pytest.mark.parametrize(
    ("text", "password"),
    [
        ("db:5432:shop:me:one\n", "one"),
        ("*:*:*:*:one", "one"),
        ("# db:5432:shop:me:no\ndb:5432:shop:me:one", "one"),
        ("other:5432:shop:me:no\ndb:5432:shop:me:one\n*:*:*:*:two", "one"),
        ("db:5432:shop:me:with\\:colon", "with:colon"),
        ("db:5432:shop:me:one:two", "one"),
        ("db:5432:shop:me:one\r\n", "one"),
        ("db:5433:shop:me:no", None),
        ("DB:5432:shop:me:no", None),
        ("db*:5432:shop:me:no", None),
        ("db:5432:shop:me", None),
        ("db:5432:shop:me:", None),
        ("", None),
    ],
)
def test_the_first_line_that_matches_counts(text: str, password: str | None) -> None:
    assert find(text) == password


@pytest.mark.parametrize("host", [None, "", "/tmp", "/var/run/postgresql"])
def test_the_local_socket_is_called_localhost(host: str | None) -> None:
    assert find("localhost:5432:shop:me:one", host=host) == "one"


def test_another_socket_folder_is_called_by_its_path() -> None:
    assert find("/srv/pg:5432:shop:me:one", host="/srv/pg") == "one"


def test_no_port_is_the_usual_one() -> None:
    assert find("db:5432:shop:me:one", port=None) == "one"


def test_a_file_that_others_can_read_is_not_used(tmp_path: Path) -> None:
    path = tmp_path / "pgpass"
    path.write_text("*:*:*:*:hunter2")
    path.chmod(0o644)

    text, warning = passfile.load(path)

    assert text == ""
    assert f"chmod 600 {path}" in warning


def test_a_file_of_ones_own_is_read(tmp_path: Path) -> None:
    path = tmp_path / "pgpass"
    path.write_text("*:*:*:*:one")
    path.chmod(0o600)

    assert passfile.load(path) == ("*:*:*:*:one", "")


def test_no_file_is_nothing_to_mention(tmp_path: Path) -> None:
    assert passfile.load(tmp_path / "none") == ("", "")


def test_a_folder_is_mentioned(tmp_path: Path) -> None:
    text, warning = passfile.load(tmp_path)

    assert text == ""
    assert str(tmp_path) in warning
