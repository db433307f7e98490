from __future__ import annotations

from pathlib import Path

from hypothesis import example, given
from hypothesis import strategies as st

from streamer.files.names import Compression, Format, file_name
from streamer.files.reading import format_of
from streamer.model import QualifiedName

NAMES = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1)
TABLES = st.builds(QualifiedName, NAMES | st.just("public"), NAMES)


def test_a_table_in_public_is_called_by_its_name_and_others_with_their_schema() -> None:
    def named(schema: str, name: str) -> str:
        return file_name(QualifiedName(schema, name), Format.JSON, Compression.NONE)

    assert named("public", "users") == "users.json"
    assert named("audit", "log") == "audit.log.json"
    assert named("public", "a.b/c é") == "a%2Eb%2Fc%20%C3%A9.json"
    assert named("public", "export_report") == "%65xport_report.json"


@given(TABLES, TABLES)
@example(QualifiedName("😀" * 15, "é" * 31 + "a"), QualifiedName("😀" * 15, "é" * 31 + "b"))
def test_two_tables_never_share_a_file(one: QualifiedName, other: QualifiedName) -> None:
    names = {
        file_name(table, Format.JSON, Compression.NONE, suffix="_transformed")
        for table in (one, other)
    }

    assert len(names) == len({one, other})


@given(TABLES, st.sampled_from(Format), st.sampled_from(Compression))
def test_the_name_says_how_the_file_is_written(
    table: QualifiedName, form: Format, compression: Compression
) -> None:
    name = file_name(table, form, compression)

    assert "/" not in name
    assert format_of(Path(name)) == (form, compression)


@given(TABLES)
@example(QualifiedName("😀" * 15, "😀" * 15))
def test_no_name_is_longer_than_file_systems_take(table: QualifiedName) -> None:
    name = file_name(table, Format.NDJSON, Compression.ZSTD, suffix="_transformed")

    assert len(f"{name}.part".encode()) <= 255
