"""Each break of tests/mutants still fits the code; `make mutants` then sees who notices it."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from tests.mutants.breaks import Break
from tests.mutants.every import EVERY
from tests.unit.test_guarantees import FAULTS

ROOT = Path(__file__).resolve().parents[2]
CODE = "def fits(rows: int) -> bool:\n    return rows < 5\n"
WHOLE = Break("more rows fit", "code.py", "rows < 5", "rows < 6", ("test_code.py::test_fits",))


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    (tmp_path / "code.py").write_text(CODE)
    (tmp_path / "test_code.py").write_text("def test_fits() -> None: ...\n")
    return tmp_path


@pytest.mark.parametrize("one", EVERY, ids=lambda one: one.name)
def test_a_break_still_fits_the_code_and_names_tests_that_exist(one: Break) -> None:
    assert one.misfit(ROOT) == ""


def test_no_two_breaks_have_one_name() -> None:
    assert [name for name, times in Counter(one.name for one in EVERY).items() if times > 1] == []


def test_every_line_of_the_table_of_faults_has_a_break() -> None:
    assert sorted({fault for one in EVERY for fault in one.faults}) == list(FAULTS)


def test_a_break_that_fits_has_no_misfit(tree: Path) -> None:
    assert WHOLE.misfit(tree) == ""


@pytest.mark.parametrize(
    ("one", "said"),
    [
        (Break("", "gone.py", "rows < 5", "", histories=1), "gone.py holds 0 times"),
        (Break("", "code.py", "rows < 7", "", histories=1), "code.py holds 0 times"),
        (Break("", "code.py", "rows", "keys", histories=1), "code.py holds 2 times"),
        (Break("", "code.py", "rows < 5", "rows < 5", histories=1), "changes nothing"),
        (Break("", "code.py", "rows < 5", "rows <", histories=1), "no Python any more"),
        (Break("", "code.py", "rows < 5", "rows", histories=0), "nobody looks"),
        (Break("", "code.py", "rows < 5", "rows", ("test_no.py",)), "no test_no.py"),
        (Break("", "code.py", "rows < 5", "rows", ("test_code.py::test_fit",)), "::test_fit"),
    ],
)
def test_a_break_that_went_stale_says_why(tree: Path, one: Break, said: str) -> None:
    assert said in one.misfit(tree)
