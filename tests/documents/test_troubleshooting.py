"""docs/troubleshooting.md: every message that it explains is one that the product says."""

from __future__ import annotations

import ast
import re
from functools import cache

import pytest

from tests.documents.commands import ROOT

PAGE = (ROOT / "docs" / "troubleshooting.md").read_text()
MESSAGES = re.findall(r"^\| `([^`]+)` \|", PAGE, re.MULTILINE)
ANYTHING = "\N{HORIZONTAL ELLIPSIS}"


@cache
def said() -> str:
    """All texts of the sources, a line each, with an ellipsis for what is filled in."""
    texts: list[str] = []
    for path in [*(ROOT / "streamer").rglob("*.py"), *(ROOT / "checkpoints").rglob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.JoinedStr):
                parts = (
                    str(part.value) if isinstance(part, ast.Constant) else ANYTHING
                    for part in node.values
                )
                texts.append("".join(parts))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                texts.append(node.value)
    return "\n".join(texts)


def test_the_page_explains_many_messages() -> None:
    assert len(MESSAGES) > 30
    assert len({*MESSAGES}) == len(MESSAGES)


@pytest.mark.parametrize("message", MESSAGES)
def test_every_message_on_the_page_is_one_that_is_said(message: str) -> None:
    assert message in said()
