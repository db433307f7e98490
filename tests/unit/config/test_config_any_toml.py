"""Any file: settings, or every problem."""

import json
from pathlib import Path
from typing import cast

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from streamer.config import Config, known, resolve
from streamer.errors import SettingsError
from streamer.model import TypeOptions

ENVIRON = {"POSTGRES_DSN": "postgresql://me@db/shop", "CLOUDFLARE_API_TOKEN": "token"}

TEXTS = st.text(st.characters(exclude_categories=("Cs",)), max_size=12)
WORDS = st.sampled_from(["auto", "text", "hash", "null", "a.b=c", "a.b", "m:f", "~x", "sqlite:f"])
SCALARS = st.one_of(
    st.booleans(), st.integers(), st.floats(), st.dates(), TEXTS, WORDS, st.just(1 << 200)
)
KEYS = st.sampled_from([
    *(setting.key.rpartition(".")[2] for setting in known.ALL),
    *TypeOptions.names(),
    "where", "columns", "transform", "key", "column", "mask", "expression", "tables", "source",
])  # fmt: skip
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS | TEXTS, inner, max_size=4),
    max_leaves=12,
)
SETTINGS = st.dictionaries(KEYS | TEXTS, VALUES, max_size=4)
DOCUMENTS = st.fixed_dictionaries(
    {},
    optional={
        "tables": st.dictionaries(TEXTS | WORDS, SETTINGS | VALUES, max_size=3) | VALUES,
        "source": SETTINGS,
        "target": SETTINGS,
    },
)


def written(value: object) -> str:
    """`value` in TOML, on one line."""
    match value:
        case bool():
            return "true" if value else "false"
        case str():
            return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
        case list():
            return f"[{', '.join(map(written, cast('list[object]', value)))}]"
        case dict():
            items = cast("dict[str, object]", value).items()
            return f"{{{', '.join(f'{written(key)} = {written(item)}' for key, item in items)}}}"
        case _:
            return str(value)


def read(folder: Path, text: str) -> Config | list[str]:
    path = folder / "any.toml"
    path.write_text(text, encoding="utf-8", newline="")
    try:
        return resolve({"config": str(path)}, ENVIRON, source=True, target=True, job=True)
    except SettingsError as error:
        return error.problems


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("any")


@given(DOCUMENTS, SETTINGS)
def test_any_document_gives_settings_or_problems_on_a_line_each(
    folder: Path, document: dict[str, object], more: dict[str, object]
) -> None:
    lines = [f"{written(key)} = {written(value)}" for key, value in (more | document).items()]

    found = read(folder, "\n".join(lines))

    if isinstance(found, list):
        assert found
        assert all(problem.isprintable() for problem in found)


@given(st.text(st.characters(exclude_categories=("Cs",))))
@example("[" * 100_000)
@example("a = " + "[" * 100_000)
@example("a = " + "9" * 5_000)
@example("a = 0x" + "f" * 5_000)
@example("batch_size = 0x" + "f" * 5_000)
@example("[tables.a]\nwhere = 0x" + "f" * 5_000)
@example("[tables" + ".a" * 2_000 + "]")
@example("[tables.a]\n[tables.a]")
@example("\ufeff")
def test_any_text_gives_settings_or_problems(folder: Path, text: str) -> None:
    assert read(folder, text)
