"""Whatever bytes stand in a checkpoint's place: they are refused with a word, never a crash."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checkpoints import CheckpointError, peek

MAGIC = b"SQLite format 3\x00"
BYTES = st.binary(max_size=600) | st.binary(min_size=84, max_size=600).map(MAGIC.__add__)


def whole_database() -> bytes:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "x"
        with closing(sqlite3.connect(path)) as connection:
            connection.executescript("CREATE TABLE t (a, b); INSERT INTO t VALUES (1, 'x')")
        return path.read_bytes()


DATABASE = whole_database()


@st.composite
def meddled(draw: st.DrawFn) -> bytes:
    content = bytearray(DATABASE)
    for _ in range(draw(st.integers(0, 8))):
        content[draw(st.integers(0, len(content) - 1))] = draw(st.integers(0, 255))
    return bytes(content[: draw(st.integers(0, len(content)))])


@given(BYTES | meddled())
def test_any_other_file_is_refused_and_left_as_it_is(content: bytes) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "streamer.checkpoint.db"
        path.write_bytes(content)

        with pytest.raises(CheckpointError, match=path.name):
            peek(path)

        assert path.read_bytes() == content
