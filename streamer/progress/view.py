"""What a display shows, as a value, and how it is written: in a line, or on a screen (pure)."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from itertools import chain

from streamer.frozen import frozen
from streamer.model import Rate
from streamer.model.words import counted
from streamer.progress.wording import duration, size

BAR_WIDTH = 24
TABLES_SHOWN = 12  # on a screen; the others are summed up in a line
NAME_WIDTH = 32
NARROWEST_NAME = 12  # on a terminal that has no room for more beside bar and figures


class TableState(StrEnum):
    """How far a table is."""

    WAITING = "waiting"
    MOVING = "moving"
    DONE = "done"


@frozen
class TableView:
    """A table's name, state, rows settled, and rows expected (-1: not estimated)."""

    name: str
    state: TableState
    rows: int
    rows_estimate: int = -1

    @property
    def is_estimated(self) -> bool:
        """Whether it can be said how much is still to come."""
        return self.rows_estimate >= 0 or self.state is TableState.DONE

    @property
    def expected(self) -> int:
        """Rows that it will have had, never less than it has now."""
        return self.rows if self.state is TableState.DONE else max(self.rows, self.rows_estimate)


@frozen
class Volume:
    """Rows and bytes, either so many or so many a second."""

    rows: float
    bytes: float


@frozen
class View:
    """A run at one moment.

    `window_used` are the requests that this process sent within the window of `rate`
    (None: no limit). `waiting_s` is how long nothing will be sent, because of `waiting_for`.
    """

    phase: str
    seconds: float
    tables: tuple[TableView, ...]
    speed: Volume
    requests: int
    window_used: int
    rate: Rate | None
    concurrency: int
    retries: int
    waiting_s: float = 0.0
    waiting_for: str = ""

    @property
    def rows(self) -> int:
        """Rows settled, of all tables."""
        return sum(table.rows for table in self.tables)

    @property
    def expected(self) -> int:
        """Rows expected, of all tables, as far as estimates go."""
        return sum(table.expected for table in self.tables)

    @property
    def is_estimated(self) -> bool:
        """Whether it can be said of every table how much is still to come."""
        return all(table.is_estimated for table in self.tables)

    @property
    def eta_s(self) -> float | None:
        """Seconds until all rows are there at this speed; None where that can't be said."""
        remaining = self.expected - self.rows
        if not self.is_estimated or remaining <= 0 or self.speed.rows <= 0:
            return None
        return remaining / self.speed.rows


def rate_of(marks: Sequence[tuple[float, Volume]]) -> Volume:
    """Rows and bytes a second between the first and the last of `marks` (second, volume)."""
    if len(marks) < 2 or marks[-1][0] <= marks[0][0]:
        return Volume(0.0, 0.0)
    (start, before), (end, after) = marks[0], marks[-1]
    span_s = end - start
    return Volume((after.rows - before.rows) / span_s, (after.bytes - before.bytes) / span_s)


def line(view: View) -> str:
    """All of `view` in one line, for a log or a pipe."""
    done = sum(table.state is TableState.DONE for table in view.tables)
    parts = [
        f"{duration(view.seconds)} {printable(view.phase)}",
        rows_of(view.rows, view.expected),
        f"tables {done}/{len(view.tables)}",
        *_figures(view),
    ]
    return ", ".join(parts)


def screen(view: View, *, columns: int, color: bool, blocks: bool = True) -> list[str]:
    """`view` as lines of at most `columns` characters (colour codes apart), for a terminal.

    Figures that don't fit into one go on in the next. `blocks`: the terminal can show block
    characters; without, bars are made of `#`.
    """
    moving = [table for table in view.tables if table.state is TableState.MOVING]
    waiting = [table for table in view.tables if table.state is TableState.WAITING]
    done = len(view.tables) - len(moving) - len(waiting)
    shown = moving[:TABLES_SHOWN]
    longest = max((len(_table_rows(table)) for table in shown), default=0)
    room = columns - 2 - longest  # for bar and name
    bar_width = max(0, min(BAR_WIDTH, room - NARROWEST_NAME))
    width = max(NARROWEST_NAME, min(NAME_WIDTH, room - bar_width))
    lines = [_table_line(table, bar_width, width, blocks=blocks)[:columns] for table in shown]
    rest = [
        f"{count} {word}"
        for count, word in (
            (len(moving) - len(shown), "more moving"),
            (len(waiting), "waiting"),
            (done, "done"),
        )
        if count
    ]
    if rest:
        lines.append(f"  tables: {', '.join(rest)}"[:columns])
    total = f"{duration(view.seconds)} {printable(view.phase)}, {rows_of(view.rows, view.expected)}"
    bar_width = max(0, min(BAR_WIDTH, columns - len(total) - 1))
    expected = view.expected if view.is_estimated else 0
    bar = _bar(view.rows, expected, width=bar_width, blocks=blocks)
    lines.append(_bold(f"{bar} {total}".lstrip()[:columns], on=color))
    lines += [text[:columns] for text in _wrapped(_figures(view), columns)]
    return lines


def _wrapped(parts: Sequence[str], columns: int) -> list[str]:
    """`parts` with commas between them, in as many indented lines of `columns` as they take."""
    lines = [""]
    for part in parts:
        before = f"{lines[-1]}, " if lines[-1] else "  "
        if lines[-1] and len(before) + len(part) > columns:
            lines[-1] = f"{lines[-1]},"[:columns]
            lines.append(f"  {part}")
        else:
            lines[-1] = f"{before}{part}"
    return lines


def _figures(view: View) -> list[str]:
    window = f"requests {view.requests:,}"
    if view.rate is not None:
        window += f" ({view.window_used:,} of {view.rate.requests:,} in {view.rate.seconds:.0f} s)"
    parts = [
        f"{view.speed.rows:,.0f} rows/s",
        f"{size(view.speed.bytes)}/s",
        window,
        f"{view.concurrency} at once",
        f"retries {view.retries:,}",
    ]
    if view.waiting_s > 0:
        parts.append(f"waiting {duration(view.waiting_s)}: {printable(view.waiting_for)}")
    elif view.eta_s is not None:
        parts.append(f"ETA {duration(view.eta_s)}")
    return parts


def _table_line(table: TableView, bar_width: int, name_width: int, *, blocks: bool) -> str:
    name = shortened(printable(table.name), name_width)
    expected = table.expected if table.is_estimated else 0
    bar = _bar(table.rows, expected, width=bar_width, blocks=blocks)
    return f"{bar} {name} {_table_rows(table)}".lstrip()


def _table_rows(table: TableView) -> str:
    if table.rows_estimate > table.rows:
        return f"{table.rows:,} of about {counted(table.rows_estimate, 'row')}"
    return counted(table.rows, "row")


def _bar(part: int, whole: int, *, width: int, blocks: bool) -> str:
    full, empty = ("█", "░") if blocks else ("#", ".")
    filled = width * part // whole if whole > 0 else 0
    return full * filled + empty * (width - filled)


def _bold(text: str, *, on: bool) -> str:
    return f"\x1b[1m{text}\x1b[0m" if on else text


def rows_of(rows: int, expected: int) -> str:
    """How many of the expected rows there are, in words."""
    if expected <= rows:
        return counted(rows, "row")
    return f"{rows:,} of about {counted(expected, 'row')} ({100 * rows / expected:.0f} %)"


def shortened(text: str, width: int) -> str:
    """`text` in at most `width` characters, cut in the middle, padded to `width`."""
    if len(text) > width:
        head = (width - 1) // 2
        text = f"{text[:head]}…{text[len(text) - (width - 1 - head) :]}"
    return text.ljust(width)


def printable(text: str) -> str:
    """`text` with everything that could move a cursor or end a line written as an escape."""
    if text.isprintable():
        return text
    escaped = (c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)
    return "".join(chain.from_iterable(escaped))
