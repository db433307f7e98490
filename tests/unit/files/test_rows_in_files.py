"""What is written is read again; what isn't whole or isn't ours is refused, with the line."""

from __future__ import annotations

import gzip
import json
import os
import random
from collections.abc import Callable
from pathlib import Path

import orjson
import pytest
import zstandard
from hypothesis import example, given
from hypothesis import strategies as st

from streamer.errors import BadFileError
from streamer.files.names import Compression, Format
from streamer.files.opening import Content, Steady
from streamer.files.reading import Row, read_pages, read_rows
from streamer.files.writing import TableWriter

TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
ROWS = st.lists(
    st.dictionaries(
        TEXTS, st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | TEXTS, max_size=4
    ),
    max_size=5,
)
ENDING = {Compression.NONE: "", Compression.GZIP: ".gz", Compression.ZSTD: ".zst"}


def lines(rows: list[dict[str, object]]) -> list[str]:
    return [orjson.dumps(row).decode() for row in rows]


@given(ROWS, ROWS, st.tuples(st.sampled_from(Format), st.sampled_from(Compression), st.booleans()))
def test_rows_come_back_as_they_were_written_also_by_a_later_writer(
    tmp_path_factory: pytest.TempPathFactory,
    first: list[dict[str, object]],
    second: list[dict[str, object]],
    how: tuple[Format, Compression, bool],
) -> None:
    form, compression, killed = how
    path = tmp_path_factory.mktemp("rows") / f"t.{form}{ENDING[compression]}"
    writer = TableWriter(path, form, compression)
    writer.begin()
    writer.write(lines(first))
    size = writer.settle()
    if killed:
        writer.write(lines([{"lost": 1}]))
        writer.settle()
        writer.close()
        writer = TableWriter(path, form, compression)
        assert writer.go_on(rows=len(first), size=size)
    writer.write(lines(second))
    written = writer.finish()

    content = Content()
    found = [row.values for row in read_rows(path, content)]

    assert found == first + second
    assert (written.rows, written.bytes) == (len(found), content.bytes)
    assert written.sha256 == content.sha256
    assert path.stat().st_mode & 0o777 == 0o600
    assert [*path.parent.iterdir()] == [path]


def test_a_row_stands_on_a_line_of_its_own_within_a_json_array(tmp_path: Path) -> None:
    writer = TableWriter(tmp_path / "t.json", Format.JSON, Compression.NONE)
    writer.begin()
    writer.write(['{"a":1}', '{"a":2}'])
    writer.write(['{"a":3}'])
    writer.finish()

    text = (tmp_path / "t.json").read_text()
    assert text == '[\n{"a":1},\n{"a":2},\n{"a":3}\n]\n'
    assert [row.line for row in read_rows(tmp_path / "t.json")] == [2, 3, 4]


BAD = {
    "cut off": (b'[\n{"a":1},\n', "line 2", "cut off"),
    "cut off in a row": (b'[\n{"a":1},\n{"a"', "line 3", "one row as a JSON object"),
    "empty": (b"", "line 1", "[ alone"),
    "not an array": (b'{"a":1}\n', "line 1", "[ alone"),
    "two rows a line": (b'[\n{"a":1},{"a":2}\n]\n', "line 2", "one row"),
    "a number": (b"[\n1\n]\n", "line 2", "one row"),
    "no comma": (b'[\n{"a":1}\n{"a":2}\n]\n', "line 3", "comma"),
    "a comma too many": (b'[\n{"a":1},\n]\n', "line 3", "comma"),
    "something behind": (b'[\n{"a":1}\n]\n{"a":2}\n', "line 4", "behind"),
    "UTF-16": ('[\n{"a":1}\n]\n'.encode("utf-16"), "line 1", "UTF-16"),
    "a byte order mark": (b'\xef\xbb\xbf[\n{"a":1}\n]\n', "line 1", "byte order mark"),
    "Latin 1": (b'[\n{"a":"\xe9"}\n]\n', "line 2", "UTF-8"),
    "NaN": (b'[\n{"a":NaN}\n]\n', "line 2", "JSON object"),
    "pretty": (b'[\n{\n"a": 1\n}\n]\n', "line 2", "one row"),
}


@pytest.mark.parametrize(("data", "line", "words"), BAD.values(), ids=BAD)
def test_what_is_wrong_with_a_file_is_said_with_its_line(
    tmp_path: Path, data: bytes, line: str, words: str
) -> None:
    path = tmp_path / "t.json"
    path.write_bytes(data)

    with pytest.raises(BadFileError, match=line) as refused:
        list(read_rows(path))

    assert str(path) in refused.value.what
    assert words in refused.value.what


MEMBERS = st.lists(st.tuples(TEXTS, TEXTS), min_size=1, max_size=4)


@given(MEMBERS, st.sampled_from([":", " :", "\t: ", ": "]))
@example([("b\\", ""), ("x", ""), ("x", "")], ":")
@example([("x", '":'), ("x", "")], ":")
def test_a_member_that_a_row_has_twice_is_told_whatever_names_and_values_hold(
    tmp_path_factory: pytest.TempPathFactory, members: list[tuple[str, str]], colon: str
) -> None:
    path = tmp_path_factory.mktemp("rows") / "t.json"
    pairs = ",".join(f"{json.dumps(name)}{colon}{json.dumps(value)}" for name, value in members)
    path.write_text(f"[\n{{{pairs}}}\n]\n")
    names = [name for name, _ in members]
    twins = {name for name in names if names.count(name) > 1}

    (row,) = read_rows(path)

    assert row.twice in (twins or {""})
    assert next(read_rows(path, careful=False)).twice == ""


def test_a_line_of_ndjson_that_was_cut_off_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "t.ndjson"
    path.write_bytes(b'{"a":1}\n{"a":2}')

    with pytest.raises(BadFileError, match=r"line 2: .* cut off"):
        list(read_rows(path))


@pytest.mark.parametrize(
    ("compress", "ending"), [(gzip.compress, "gz"), (zstandard.compress, "zst")]
)
def test_a_compressed_file_that_was_cut_off_or_damaged_is_noticed(
    tmp_path: Path, compress, ending: str
) -> None:
    whole = compress(b"[\n" + b",\n".join(b'{"a":%d}' % n for n in range(20_000)) + b"\n]\n")
    path = tmp_path / f"t.json.{ending}"
    for data in (whole[: len(whole) // 2], b"nonsense" + whole):
        path.write_bytes(data)
        with pytest.raises(BadFileError, match=r"t\.json"):
            list(read_rows(path))


def test_a_file_that_is_missing_or_is_no_file_of_rows_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadFileError, match="isn't there"):
        list(read_rows(tmp_path / "t.json"))
    with pytest.raises(BadFileError, match=r"\.ndjson"):
        list(read_rows(tmp_path / "t.csv"))


def test_a_writer_goes_on_only_where_what_it_left_is_there(tmp_path: Path) -> None:
    path = tmp_path / "t.json"
    assert not TableWriter(path, Format.JSON, Compression.NONE).go_on(rows=1, size=10)
    writer = TableWriter(path, Format.JSON, Compression.NONE)
    writer.begin()
    writer.settle()
    writer.close()
    assert not TableWriter(path, Format.JSON, Compression.NONE).go_on(rows=1, size=10)


@pytest.mark.parametrize("compression", [Compression.GZIP, Compression.ZSTD])
def test_a_writer_that_starts_over_counts_nothing_of_what_it_could_not_go_on_with(
    tmp_path: Path, compression: Compression
) -> None:
    path = tmp_path / f"t.json{ENDING[compression]}"
    left = TableWriter(path, Format.JSON, compression)
    left.begin()
    member = lines([{"a": n, "b": "x" * 100} for n in range(20_000)])
    sizes: list[int] = []
    for _ in range(2):
        left.write(member)
        sizes.append(left.settle())
    left.close()
    with left.part.open("r+b") as part:  # the first member is read whole, the second isn't
        part.seek(sizes[0] + 1)
        part.write(b"\0")
    writer = TableWriter(path, Format.JSON, compression)

    went_on = writer.go_on(rows=2 * len(member), size=sizes[1])
    writer.begin()
    writer.write(['{"a":1}'])
    written = writer.finish()

    content = Content()
    found = [row.values for row in read_rows(path, content)]
    assert (went_on, found) == (False, [{"a": 1}])
    assert (written.rows, written.bytes) == (1, content.bytes)
    assert written.sha256 == content.sha256


GOOD = st.lists(
    st.dictionaries(st.sampled_from("abc"), st.none() | st.integers(-9, 9) | TEXTS, min_size=1),
    max_size=6,
)
HARM = st.sampled_from(
    (
        (b",\n", b"\n"),  # a comma is missing
        (b",\n{", b",{"),  # two rows on a line
        (b"{", b"{\n"),  # a row on two lines
        (b"\n", b"\r\n"),
        (b"\n", b"\r"),
        (b"\n", b"\n\n"),
        (b":", b" :"),
        (b"{", b'{"a":1,'),
        (b"{", b'{"x":{"y":[{},\n{}]},'),
        (b"]", b"]]"),
        (b"]", b""),
        (b"[", b"[ "),
        (b"[", b"\xef\xbb\xbf["),
        (b"}", b""),
        (b"}", b"\xff}"),
        (b"{", b"\x00{"),
        (b"a", b"\xc3"),
    )
)


def told(path: Path, block_bytes: int, *, careful: bool) -> tuple[list[Row], str]:
    """What is read, and what ended it."""
    rows: list[Row] = []
    try:
        for page in read_pages(path, careful=careful, block_bytes=block_bytes):
            rows += page.each(path)
    except BadFileError as error:
        return rows, str(error)
    return rows, ""


@given(
    GOOD,
    st.sampled_from(Format),
    st.none() | st.tuples(HARM, st.integers(0, 4)),
    st.tuples(st.integers(0, 40), st.integers(1, 40), st.booleans()),
)
@example([{"a": 1}, {"a": 2}], Format.JSON, ((b",\n{", b",{"), 0), (0, 4096, False))
@example([{"a": "x"}, {"a": "}"}], Format.NDJSON, ((b"{", b"{\n"), 1), (0, 4096, True))
def test_what_is_read_and_what_is_said_does_not_depend_on_where_blocks_end(
    tmp_path_factory: pytest.TempPathFactory,
    rows: list[dict[str, object]],
    form: Format,
    harm: tuple[tuple[bytes, bytes], int] | None,
    how: tuple[int, int, bool],
) -> None:
    cut, block_bytes, careful = how
    path = tmp_path_factory.mktemp("blocks") / f"t.{form}"
    writer = TableWriter(path, form, Compression.NONE)
    writer.begin()
    writer.write(lines(rows))
    writer.finish()
    text = path.read_bytes()
    if harm is not None:
        (was, becomes), place = harm
        parts = text.split(was)
        at = min(place, len(parts) - 1)
        text = was.join(parts[: at + 1]) + (
            becomes + was.join(parts[at + 1 :]) if at + 1 < len(parts) else b""
        )
    path.write_bytes(text[: len(text) - cut] if harm is None or cut < 5 else text)

    small, whole = told(path, block_bytes, careful=careful), told(path, 1 << 20, careful=careful)
    line_by_line = told(path, 1, careful=careful)

    assert small == line_by_line
    assert whole == line_by_line
    if harm is None and cut == 0:
        assert [row.values for row in whole[0]] == rows


def replace(path: Path) -> None:
    """Put a file with the same content and time of writing in its place."""
    other = path.with_name("other")
    other.write_bytes(path.read_bytes())
    os.utime(other, ns=(path.stat().st_atime_ns, path.stat().st_mtime_ns))
    other.replace(path)


def write_into(path: Path) -> None:
    """Change a byte, and put the time of writing back."""
    times = (path.stat().st_atime_ns, path.stat().st_mtime_ns)
    with path.open("r+b") as file:
        file.seek(-1, os.SEEK_END)
        last = file.read(1)[0]
        file.seek(-1, os.SEEK_END)
        file.write(bytes([last ^ 1]))
    os.utime(path, ns=times)


def cut(path: Path) -> None:
    """Take the last lines away."""
    os.truncate(path, path.stat().st_size // 2)


CHANGES = (replace, write_into, cut)


def written(path: Path, compression: Compression, rows: int) -> Path:
    path = path / f"t.{Format.NDJSON}{ENDING[compression]}"
    writer = TableWriter(path, Format.NDJSON, compression)
    writer.begin()
    # Digits that no compression makes much shorter: longer than what is read at once.
    writer.write([f'{{"a":"{random.randbytes(500).hex()}"}}' for _ in range(rows)])
    writer.finish()
    return path


@pytest.mark.parametrize("compression", Compression)
@pytest.mark.parametrize("change", CHANGES)
def test_a_file_that_changed_between_two_readings_gives_no_row(
    tmp_path: Path, change: Callable[[Path], None], compression: Compression
) -> None:
    path, steady = written(tmp_path, compression, rows=3), Steady()
    first = [*read_rows(path, steady=steady)]
    assert [*read_rows(path, steady=steady)] == first
    change(path)

    with pytest.raises(BadFileError, match=r"t\.ndjson.* was replaced or written to") as caught:
        next(read_rows(path, steady=steady))

    assert "--resume" in caught.value.hint
    assert "--restart" in caught.value.hint


@pytest.mark.parametrize("compression", Compression)
@pytest.mark.parametrize("change", [write_into, cut])
def test_nothing_is_given_that_was_read_behind_a_change(
    tmp_path: Path, change: Callable[[Path], None], compression: Compression
) -> None:
    path, steady = written(tmp_path, compression, rows=5_000), Steady()
    before = [*read_rows(path)]
    rows = read_rows(path, steady=steady)
    found = [next(rows)]
    change(path)

    with pytest.raises(BadFileError, match="was replaced or written to"):
        found += rows  # those before the change stay in it

    assert found == before[: len(found)]
    assert len(found) < len(before)
