"""docs/guarantees.md names tests that exist, and has a line for every fault."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
PAGE = (ROOT / "docs" / "guarantees.md").read_text()
FAULTS = range(1, 38)
LINES = {int(number): line for number, line in re.findall(r"^\| (\d+) \|(.*)$", PAGE, re.MULTILINE)}
TESTS = {
    name
    for path in (ROOT / "tests").rglob("test_*.py")
    for name in re.findall(r"^(?:async )?def (test_\w+)", path.read_text(), re.MULTILINE)
}


def named(text: str) -> list[str]:
    return re.findall(r"`(test_\w+)`", text)


def faults_of(test: str) -> set[int]:
    """The faults that a test's name says it is about: `test_fault_13_and_31_...`."""
    found = re.match(r"test_fault((?:_and)?_\d\d(?:_and_\d\d)*)_", test)
    return {int(number) for number in re.findall(r"\d\d", found[1])} if found else set()


def test_every_test_that_the_page_names_exists() -> None:
    assert sorted(set(named(PAGE)) - TESTS) == []


def test_every_fault_has_its_line() -> None:
    assert sorted(LINES) == list(FAULTS)


@pytest.mark.parametrize("fault", FAULTS)
def test_every_fault_is_proven_by_a_test_of_its_name_or_said_to_be_open(fault: int) -> None:
    line = LINES[fault]
    proofs = [test for test in named(line) if fault in faults_of(test)]

    assert proofs or "yet" in line
    assert not (proofs and "yet" in line)


def test_every_promise_names_its_proof() -> None:
    promises = re.findall(r"^\| \*\*.*$", PAGE, re.MULTILINE)

    assert len(promises) > 8
    assert all(named(promise) for promise in promises)
