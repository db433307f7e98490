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


# What a module imports of those beside it, in every way that Python knows; the last nobody imports.
BESIDE = {
    "shop_rules/__init__.py": "",
    "shop_rules/main.py": (
        "import json\nimport shop_plain\nfrom . import near\nfrom .deep.er import word\n"
        "def f(row):\n    from shop_rules.late import later\n    return row\n"
    ),
    "shop_rules/near.py": "from .side import x\n",
    "shop_rules/side.py": "x = 1\n",
    "shop_rules/late.py": "later = 1\n",
    "shop_rules/deep/__init__.py": "y = 1\n",
    "shop_rules/deep/er.py": "from .. import back\nword = 1\n",
    "shop_rules/back.py": "import shop_rules.main as me\n",
    "shop_plain.py": "import shop_rules\n",
    "shop_rules/alone.py": "z = 1\n",
}


def test_a_change_in_any_module_beside_it_that_it_imports_is_other_code(tmp_path: Path) -> None:
    for name, text in BESIDE.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    function = load_transforms([table("shop_rules.main:f")], tmp_path)["shop_rules.main:f"]
    first = code_digest(function)

    noticed: set[str] = set()
    for name, text in BESIDE.items():
        (tmp_path / name).write_text(f"{text}# changed\n")
        noticed |= {name} if code_digest(function) != first else set()
        (tmp_path / name).write_text(text)

    assert noticed == BESIDE.keys() - {"shop_rules/alone.py"}
    assert code_digest(function) == first


def test_of_what_was_installed_only_its_own_package_is_followed(tmp_path: Path) -> None:
    folder = tmp_path / "site-packages"
    (folder / "bought").mkdir(parents=True)
    (folder / "bought" / "__init__.py").write_text(
        "import bought_other\nfrom bought.own import f\n"
    )
    (folder / "bought" / "own.py").write_text("def f(row):\n    return row\n")
    (folder / "bought_other.py").write_text("")
    function = load_transforms([table("bought:f")], folder)["bought:f"]
    first = code_digest(function)

    (folder / "bought_other.py").write_text("x = 1\n")
    assert code_digest(function) == first
    (folder / "bought" / "own.py").write_text("def f(row):\n    return None\n")
    assert code_digest(function) != first
