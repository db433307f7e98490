"""A run's course as SVG pictures: drawn by pygal, coloured by the page's style sheet."""
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportMissingImports=false
# pygal has no types; this module keeps that from the others.

from __future__ import annotations

import sys
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import pygal
from markupsafe import Markup
from pygal.style import Style

from streamer.progress.history import Sample
from streamer.progress.wording import duration, size

# pygal leaves a finder for its plug-ins behind that Python 3.12 no longer takes; none are used here.
sys.meta_path[:] = [
    finder for finder in sys.meta_path if type(finder).__name__ != "PluginImportFixer"
]

_STYLE = Style(
    background="transparent",
    plot_background="transparent",
    foreground="var(--text)",
    foreground_strong="var(--text)",
    foreground_subtle="var(--dim)",
    guide_stroke_color="var(--line)",
    major_guide_stroke_color="var(--line)",
    opacity=".18",
    opacity_hover=".4",
    transition="0s",
    colors=("var(--accent)", "var(--second)"),
    font_family="system-ui, sans-serif",
)
_COMMON: dict[str, Any] = {
    "style": _STYLE,
    "js": [],
    "disable_xml_declaration": True,
    "explicit_size": False,
    "width": 860,
    "height": 260,
    "margin": 10,
    "show_legend": False,
    "include_x_axis": True,
    "no_prefix": False,
}
SHORT_S = 2.0  # a run that took less has no course worth a picture


def rows_per_second(samples: Sequence[Sample]) -> Markup:
    """Rows a second between each two samples; '' where there are too few."""
    points = [
        (after.at_s, (after.rows - before.rows) / (after.at_s - before.at_s))
        for before, after in pairwise(samples)
    ]
    return _over_time([("rows a second", points)], _count)


def bytes_per_second(samples: Sequence[Sample]) -> Markup:
    """Bytes of request bodies a second between each two samples."""
    points = [
        (after.at_s, (after.bytes - before.bytes) / (after.at_s - before.at_s))
        for before, after in pairwise(samples)
    ]
    return _over_time([("bytes a second", points)], size)


def requests(samples: Sequence[Sample]) -> Markup:
    """Requests within the limit's window, and failed ones between each two samples."""
    used = [(sample.at_s, float(sample.window_used)) for sample in samples]
    failed = [(b.at_s, float(b.retries - a.retries)) for a, b in pairwise(samples)]
    return _over_time([("in the window", used), ("sent again", failed)], _count)


def latencies(bounds_s: Sequence[float], counts: Sequence[int]) -> Markup:
    """How many answers took how long; '' where there were none."""
    if not any(counts):
        return Markup("")
    names = [f"≤ {_seconds(bound)}" for bound in bounds_s] + [f"> {_seconds(bounds_s[-1])}"]
    first = next(at for at, count in enumerate(counts) if count)
    last = len(counts) - next(at for at, count in enumerate(reversed(counts)) if count)
    chart: Any = pygal.Bar(**_COMMON, value_formatter=_count)
    chart.x_labels = names[first:last]
    chart.add("answers", list(counts[first:last]))
    return _drawn(chart, "answers")


def _over_time(lines: Sequence[tuple[str, Sequence[tuple[float, float]]]], shown: Any) -> Markup:
    longest = max((points[-1][0] for _, points in lines if points), default=0.0)
    if longest < SHORT_S or all(len(points) < 2 for _, points in lines):
        return Markup("")
    chart: Any = pygal.XY(
        **{**_COMMON, "show_legend": len(lines) > 1, "legend_at_bottom": True},
        fill=True,
        stroke=True,
        show_dots=False,
        range=(0, max(1.0, *(value for _, points in lines for _, value in points))),
        value_formatter=shown,
        x_value_formatter=duration,
    )
    for name, points in lines:
        chart.add(name, list(points))
    return _drawn(chart, lines[0][0].replace(" ", "-"))


def _drawn(chart: Any, name: str) -> Markup:
    chart.uuid = name  # what its style sheet is bound to: the same report makes the same page
    chart.add_xml_filter(_without_scripts)
    text: str = chart.render(is_unicode=True)
    return Markup(text)  # noqa: S704 (pygal escapes; the only texts are ours)


def _without_scripts(root: Any) -> Any:
    """The picture without the settings that it holds for pygal's script."""
    for parent in root.iter():
        for child in [child for child in parent if str(child.tag).rpartition("}")[2] == "script"]:
            parent.remove(child)
    return root


def _count(value: float) -> str:
    return f"{value:,.0f}"


def _seconds(bound: float) -> str:
    return f"{bound * 1000:.0f} ms" if bound < 1 else f"{bound:g} s"
