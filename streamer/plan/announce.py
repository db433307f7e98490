"""What the answers to a plan's questions mean: findings to say, tables to refuse. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from streamer.model import Answered, Finding, QualifiedName, Severity
from streamer.model.words import counted


def announce(
    answers: Iterable[Answered], *, rejects: bool = False
) -> tuple[list[Finding], dict[QualifiedName, Finding]]:
    """The findings of all questions whose answer isn't 0, and of each table the first refusal.

    Where a run `rejects` rows, what concerns some of a table's rows alone is no refusal.
    """
    findings: list[Finding] = []
    refused: dict[QualifiedName, Finding] = {}
    for answer in answers:
        if not answer.rows:
            continue
        finding = _told(answer)
        if rejects and answer.question.by_row and finding.severity is Severity.REFUSAL:
            what = f"{finding.what}; they are rejected, as --on-error says"
            finding = replace(finding, severity=Severity.WARNING, what=what)
        if finding.severity is Severity.REFUSAL:
            refused.setdefault(answer.question.table, finding)
        findings.append(finding)
    return findings, refused


def _told(answer: Answered) -> Finding:
    asked = answer.question.finding
    return replace(
        asked,
        what=_filled(asked.what, answer),
        hint=_filled(asked.hint, answer),
        rows=answer.rows if "{rows}" in asked.what else None,
    )


def _filled(text: str, answer: Answered) -> str:
    return text.replace("{rows}", f"{answer.rows:,}").replace("{keys}", named(answer))


def named(answer: Answered) -> str:
    """`id=2 (2,000,001 bytes), id=3 (…) and 1,234 more`; "rows" alone where none can be named."""
    if not answer.keys:
        return counted(answer.rows, "row")
    shown = [key if size is None else f"{key} ({size:,} bytes)" for key, size in answer.keys]
    more = answer.rows - len(shown)
    return ", ".join(shown) + (f" and {more:,} more" if more > 0 else "")
