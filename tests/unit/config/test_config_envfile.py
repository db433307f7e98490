"""Env files."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.config import envfile

ONE_LINE = st.text(st.characters(exclude_characters="\n", exclude_categories=("Cs",)))


@given(ONE_LINE)
def test_what_stands_in_double_quotes_is_found_again(value: str) -> None:
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')

    entries, problems = envfile.parse(f'KEY="{escaped}"  # why\n')

    assert problems == []
    assert [entry.value for entry in entries] == [value]


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("KEY=value", "value"),
        ("export KEY=value", "value"),
        ("  KEY = value  ", "value"),
        ("KEY=", ""),
        ("KEY=# nothing", ""),
        ("KEY=a#b", "a#b"),
        ("KEY=a b # comment", "a b"),
        ("KEY='a # $b \\n'", "a # $b \\n"),
        ('KEY="a\\nb"', "a\nb"),
        ("KEY=a=b=c", "a=b=c"),
        ("KEY=value\r", "value"),
        ("\ufeffKEY=value", "value"),
    ],
)
def test_a_line_is_read_as_dotenv_files_are(line: str, value: str) -> None:
    entries, problems = envfile.parse(line)

    assert problems == []
    assert [(entry.key, entry.value, entry.line) for entry in entries] == [("KEY", value, 1)]


@pytest.mark.parametrize(
    "line", ["hunter2", "KEY='hunter2", 'KEY="hunter2', 'KEY="hunter2"x', "1KEY=hunter2"]
)
def test_a_line_that_cannot_be_read_is_named_and_not_shown(line: str) -> None:
    entries, problems = envfile.parse(f"# first\n{line}\nOK=1")

    assert [entry.key for entry in entries] == ["OK"]
    assert [number for number, _ in problems] == [2]
    assert "hunter2" not in problems[0][1]
