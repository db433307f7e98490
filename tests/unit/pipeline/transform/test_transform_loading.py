"""Functions are found by name, or it is said why not."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from streamer.errors import UsageError
from streamer.model import Storage, TablePlan
from streamer.pipeline.transform import code_digest, load_transforms
from tests.engines.limited_sqlite import column, table_plan


@pytest.fixture(autouse=True)
def own_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [*sys.path])


def table(transform: str) -> TablePlan:
    return replace(table_plan([column("k", Storage.INTEGER)]), transform=transform)


def test_a_function_of_a_module_in_the_folder_is_found_and_the_folder_hides_nothing(
    tmp_path: Path,
) -> None:
    (tmp_path / "found_rules.py").write_text("class Some:\n    keep = staticmethod(dict)\n")

    found = load_transforms([table("found_rules:Some.keep"), table("")], tmp_path)

    assert found == {"found_rules:Some.keep": dict}
    assert sys.path[-1] == str(tmp_path)
    assert sys.path.count(str(tmp_path)) == 1


@pytest.mark.parametrize(
    ("reference", "source", "why"),
    [
        ("rules", "", "it isn't written as module:function"),
        (":f", "", "it isn't written as module:function"),
        ("nosuch_rules:f", "", "there is no module nosuch_rules"),
        ("nosuch_rules.deep:f", "", "there is no module nosuch_rules.deep"),
        ("a_rules:cleam", "def clean(row): ...", r"has no cleam (did you mean clean?)"),
        ("b_rules:f", "f = 5", "f is no function (its type is int)"),
        ("c_rules:f", "async def f(row): ...", "f is asynchronous; a plain function is needed"),
        ("d_rules:f", "1 / 0", "importing d_rules failed with ZeroDivisionError"),
        ("e_rules:f", "import nosuch_other", "failed: there is no module nosuch_other"),
        ("f_rules:f", "raise SystemExit('canary')", "importing f_rules failed with SystemExit"),
        ("g_rules:f", "x = = 'canary'", "importing g_rules failed with SyntaxError"),
    ],
)
def test_it_is_said_why_a_function_cannot_be_had(
    tmp_path: Path, reference: str, source: str, why: str
) -> None:
    module = reference.partition(":")[0]
    if source:
        (tmp_path / f"{module}.py").write_text(source)

    with pytest.raises(UsageError) as caught:
        load_transforms([table(reference)], tmp_path)

    assert caught.value.what.startswith(f"public.t: its transform {reference} can't be used: ")
    assert caught.value.what.endswith(why)
    assert "canary" not in str(caught.value)


def test_all_that_is_wrong_is_said_at_once(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        load_transforms([table("nosuch_one:f"), table("nosuch_two:f")], tmp_path)

    assert len(caught.value.what.splitlines()) == 2


def test_the_code_of_a_module_is_told_from_other_code(tmp_path: Path) -> None:
    (tmp_path / "h_rules.py").write_text("def f(row):\n    return row\n")
    (tmp_path / "i_rules.py").write_text("def f(row):\n    return None\n")
    (tmp_path / "j_rules.py").write_text("def f(row):\n    return row\n")
    names = [f"{letter}_rules:f" for letter in "hij"]

    found = load_transforms([table(name) for name in names], tmp_path)

    first, second, third = (code_digest(found[name]) for name in names)
    assert first == third != second
    assert code_digest(dict) == ""
