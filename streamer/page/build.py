"""A report (of a run, a validation, an export ...) → one HTML page that stands alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from datetime import datetime
from importlib.resources import files
from itertools import pairwise
from typing import cast

from jinja2 import DictLoader, Environment, StrictUndefined, select_autoescape

from streamer.frozen import frozen
from streamer.page import charts
from streamer.progress.history import Sample
from streamer.progress.view import printable
from streamer.progress.wording import size, took

JSON = Mapping[str, object]
_SECONDS, _BYTES = ("seconds",), ("bytes_sent", "request_bytes", "bytes", "size_bytes")
_TEXTS = ("name", "target_name")
_WORDS = {
    "done": "done, nothing left out",
    "incomplete": "done, but something was left out",
    "stopped": "stopped; it can be resumed",
    "failed": "failed",
}
_LABELS = {
    "seconds": "time",
    "estimated_cost_usd": "cost, if nothing of what a plan includes is left",
}
_COMPARED: dict[tuple[object, object], str] = {
    ("done", True): "no difference found",
    ("incomplete", False): "there are differences",
}
_NAMED_APART = frozenset({
    "format_version", "tool_version", "command", "run_id", "status", "started_at", "ended_at",
    "source", "target", "tables", "rows_skipped", "totals", "warnings", "errors", "timeline", "answers",
})  # fmt: skip


def page_of(report: JSON) -> str:
    """The page of a report, as HTML. Everything that the report says is in it.

    Raises:
        ValueError: it isn't a report of this tool's; the text says why.
    """
    if not isinstance(report.get("format_version"), int) or "command" not in report:
        raise ValueError("it has no format_version and no command")
    samples = _samples(report.get("timeline"))
    answers = _object(report.get("answers"))
    bounds, counts = _numbers(answers.get("bounds_s")), _numbers(answers.get("counts"))
    pictures = [
        ("Rows a second", charts.rows_per_second(samples)),
        ("Sent a second", charts.bytes_per_second(samples)),
        ("Requests in the rate limit's window, and sent again", charts.requests(samples)),
    ]
    if bounds and len(counts) == len(bounds) + 1:
        pictures.append(("How long answers took", charts.latencies(bounds, [*map(int, counts)])))
    status = str(report.get("status", ""))
    said = _COMPARED.get((status, report.get("equal")), _WORDS.get(status, status))
    entries = [_object(entry) for entry in _list(report.get("tables"))]
    return _template().render(
        style=files("streamer.page").joinpath("page.css").read_text("utf-8"),
        command=report["command"],
        status=status,
        status_words=said,
        facts=_facts(report),
        tiles=_tiles(_object(report.get("totals"))),
        pictures=[(title, svg) for title, svg in pictures if svg],
        tables=_table(entries),
        members=_members(entries),
        errors=_texts(report.get("errors")),
        warnings=_texts(report.get("warnings")),
        others=_others(report),
    )


def _template():  # noqa: ANN202 (jinja2's own type, used here alone)
    text = files("streamer.page").joinpath("page.html.jinja").read_text("utf-8")
    environment = Environment(
        loader=DictLoader({"page.html": text}),
        autoescape=select_autoescape(),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("page.html")


def _facts(report: JSON) -> list[tuple[str, str]]:
    source, target = _object(report.get("source")), _object(report.get("target"))
    return [
        (name, text)
        for name, text in (
            ("from", _place(source)),
            ("into", _place(target)),
            ("started", _moment(report.get("started_at"))),
            ("ended", _moment(report.get("ended_at"))),
            ("run", str(report.get("run_id", ""))),
            ("streamer", str(report.get("tool_version", ""))),
        )
        if text
    ]


def _place(facts: JSON) -> str:
    name = str(facts.get("database_name") or facts.get("database") or "")
    version = facts.get("server_version")
    if isinstance(version, int):
        return f"{name} (PostgreSQL {version // 10_000}.{version % 10_000})"
    return name


def _moment(text: object) -> str:
    try:
        return f"{datetime.fromisoformat(str(text)):%Y-%m-%d %H:%M:%S} UTC" if text else ""
    except ValueError:
        return str(text)


def _tiles(totals: JSON) -> list[tuple[str, str]]:
    """The figures of all tables, worded."""
    return [(_worded(name), _shown(name, value)) for name, value in totals.items()]


@frozen
class _Table:
    """A table of the page: its columns' names, whether each holds figures, and its rows."""

    head: Sequence[str]
    numeric: Sequence[bool]
    rows: Sequence[Sequence[str]]


def _table(entries: Sequence[JSON]) -> _Table:
    """One row an entry; without what is empty everywhere, or a table of its own."""
    names = dict.fromkeys(name for entry in entries for name in entry)
    plain = [
        name
        for name in names
        if any(_cell(name, value) for value in _values(entries, name))
        and not any(map(_objects, _values(entries, name)))
    ]
    return _Table(
        head=[_worded(name) for name in plain],
        numeric=[
            name not in _TEXTS and not any(map(_is_text, _values(entries, name))) for name in plain
        ],
        rows=[[_cell(name, entry.get(name)) for name in plain] for entry in entries],
    )


def _members(entries: Sequence[JSON]) -> list[tuple[str, _Table]]:
    """Members of the entries that are tables of their own, such as checks and differences."""
    names = dict.fromkeys(name for entry in entries for name in entry)
    found: list[tuple[str, _Table]] = []
    for name in names:
        rows = [
            _of_entry(entry, name, inner)
            for entry in entries
            for inner in _objects(entry.get(name))
        ]
        if rows:
            found.append((_worded(name), _table(rows)))
    return found


def _of_entry(entry: JSON, member: str, inner: JSON) -> JSON:
    """A row of a member's table, which says whose it is."""
    which = {"table": entry.get("name"), "between": entry.get("between")}
    called = {member.removesuffix("s") if name == "name" else name: inner[name] for name in inner}
    return {**{name: value for name, value in which.items() if value is not None}, **called}


def _values(entries: Sequence[JSON], name: str) -> list[object]:
    return [entry.get(name) for entry in entries]


def _objects(value: object) -> list[JSON]:
    """The objects that a list consists of; none where it is anything else."""
    members = _list(value)
    whole = all(isinstance(member, Mapping) for member in members)
    return [_object(member) for member in members] if whole else []


def _is_text(value: object) -> bool:
    return isinstance(value, str | Mapping | list)


def _cell(name: str, value: object) -> str:
    """A value in a row: that of a list or an object in one line."""
    if isinstance(value, Mapping):
        members = cast("JSON", value).items()
        return ", ".join(f"{_worded(key)}: {_cell(key, member)}" for key, member in members)
    if isinstance(value, list):
        return ", ".join(_cell("", member) for member in cast("list[object]", value))
    return _shown(name, value)


def _others(report: JSON) -> list[tuple[str, str]]:
    """What else there is, as indented lines."""
    return [
        (_worded(name), "\n".join(_lines(value)))
        for name, value in report.items()
        if name not in _NAMED_APART
    ]


def _lines(value: object, indent: str = "") -> list[str]:
    if isinstance(value, Mapping):
        lines: list[str] = []
        for name, member in cast("JSON", value).items():
            inner = _lines(member, indent + "  ")
            lines += (
                [f"{indent}{_worded(name)}: {inner[0].strip()}"]
                if len(inner) == 1 and not isinstance(member, Mapping | list)
                else [f"{indent}{_worded(name)}:", *inner]
            )
        return lines or [f"{indent}none"]
    if isinstance(value, list):
        return [
            line for member in cast("list[object]", value) for line in _lines(member, indent)
        ] or [f"{indent}none"]
    return [f"{indent}{_shown('', value)}"]


def _worded(name: str) -> str:
    return _LABELS.get(name) or printable(name).replace("_", " ").replace("usd", "USD").replace(
        "d1", "D1"
    )


def _shown(name: str, value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        return _figure(name, value)
    return printable(str(value))


def _figure(name: str, value: float) -> str:
    if name in _SECONDS:
        return took(value)
    if name in _BYTES:
        return size(value)
    return f"${value:,.2f}" if name.endswith("usd") else f"{value:,}"


def _samples(found: object) -> list[Sample]:
    samples: list[Sample] = []
    names = {one.name for one in fields(Sample)}
    for entry in map(_object, _list(found)):
        figures = {
            name: value
            for name, value in entry.items()
            if name in names and isinstance(value, int | float)
        }
        if figures.keys() == names:
            samples.append(Sample(**figures))  # pyright: ignore[reportArgumentType] -- numbers, by the line above
    rising = samples[:1]
    rising += [after for before, after in pairwise(samples) if after.at_s > before.at_s]
    return rising


def _object(found: object) -> JSON:
    return cast("JSON", found) if isinstance(found, Mapping) else {}


def _list(found: object) -> list[object]:
    return cast("list[object]", found) if isinstance(found, list) else []


def _numbers(found: object) -> list[float]:
    return [float(value) for value in _list(found) if isinstance(value, int | float)]


def _texts(found: object) -> list[str]:
    return [printable(str(text)) for text in _list(found)]
