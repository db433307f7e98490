"""Bars, and what was measured against them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from bench.figures import Figures


class Bound(Enum):
    """On which side of its bar a figure must lie."""

    AT_LEAST = "≥"
    AT_MOST = "≤"


@dataclass(frozen=True, slots=True)
class Verdict:
    """A figure of bar `name` (P1, P2, ...) and what it must be; `unit` stands behind both."""

    name: str
    what: str
    figure: float
    bound: Bound
    bar: float
    unit: str = ""

    @property
    def met(self) -> bool:
        """Whether the figure is on the right side."""
        if self.bound is Bound.AT_LEAST:
            return self.figure >= self.bar
        return self.figure <= self.bar

    @property
    def ratio(self) -> float | None:
        """The figure in bars; None where the bar is 0."""
        return self.figure / self.bar if self.bar else None


@dataclass(frozen=True, slots=True)
class Measured:
    """What one experiment found: medians as `lines` of a table, verdicts, and notes in sentences."""

    title: str
    lines: tuple[Figures, ...]
    verdicts: tuple[Verdict, ...]
    notes: tuple[str, ...] = ()


def at_least(name: str, what: str, figure: float, bar: float, unit: str = "") -> Verdict:
    """The more the better."""
    return Verdict(name, what, figure, Bound.AT_LEAST, bar, unit)


def at_most(name: str, what: str, figure: float, bar: float, unit: str = "") -> Verdict:
    """The less the better."""
    return Verdict(name, what, figure, Bound.AT_MOST, bar, unit)


def number(value: float) -> str:
    """A figure as people read it: three digits that matter, thousands apart."""
    if value == int(value) or abs(value) >= 1_000:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 100 else f"{value:.2f}"


def verdict_rows(verdicts: Sequence[Verdict]) -> list[tuple[str, str, str, str, str, str]]:
    """A row a verdict: bar, what, figure, what it must be, their ratio, whether it is met."""
    return [
        (
            verdict.name,
            verdict.what,
            f"{number(verdict.figure)}{verdict.unit}",
            f"{verdict.bound.value} {number(verdict.bar)}{verdict.unit}",
            "" if verdict.ratio is None else f"{verdict.ratio:.2f}",
            "met" if verdict.met else "missed",
        )
        for verdict in verdicts
    ]
