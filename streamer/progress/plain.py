"""Shows a run's progress: lines every ten seconds, or a few lines that are drawn anew.

No package is needed for either. Into a pipe or a file go whole lines without control characters.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Awaitable, Callable, Generator, Mapping
from contextlib import contextmanager, suppress
from enum import StrEnum
from typing import TextIO

from streamer.progress.view import View, line, screen

LINE_EVERY_S = 10.0
DRAW_EVERY_S = 0.5
FALLBACK_COLUMNS = 80
ERASE_BELOW = "\x1b[J"


class Style(StrEnum):
    """How progress is shown: drawn anew in place, as lines, or not at all."""

    DRAWN = "drawn"
    LINES = "lines"
    NONE = "none"


def style_for(stream: TextIO, environment: Mapping[str, str]) -> Style:
    """Drawn where `stream` is a terminal that can move its cursor, else lines."""
    capable = environment.get("TERM", "dumb") != "dumb"
    return Style.DRAWN if capable and stream.isatty() else Style.LINES


class Reporter:
    """Writes what happens to `stream`, in `style`; the one owner of that stream.

    `say` writes a line of the run's story, `show` the present state; where that is a line, it goes
    to `tell` if that is given (a log, say). A stream that is closed, or
    a disk that is full, ends the showing and never the run.
    """

    def __init__(
        self,
        stream: TextIO,
        style: Style,
        environment: Mapping[str, str] | None = None,
        *,
        tell: Callable[[str], None] | None = None,
    ) -> None:
        env = os.environ if environment is None else environment
        self._stream = stream
        self._tell = tell or self.say
        self._style = style
        self._color = "NO_COLOR" not in env or not env["NO_COLOR"]
        self._blocks = (stream.encoding or "").lower().replace("-", "") == "utf8"
        self._hidden = False
        self._drawn: list[int] = []  # the lengths of the lines that were drawn

    @property
    def every_s(self) -> float:
        """How often `show` should be called."""
        return DRAW_EVERY_S if self._style is Style.DRAWN else LINE_EVERY_S

    def say(self, text: str) -> None:
        """Write a line, above what is drawn."""
        if self._style is not Style.NONE:
            self._write(self._up() + text + "\n")
            self._drawn = []

    def show(self, view: View) -> None:
        """Write where the run is now."""
        if self._hidden:
            return
        if self._style is Style.LINES:
            self._tell(line(view))
        elif self._style is Style.DRAWN:
            columns = self._columns() - 1
            lines = screen(view, columns=columns, color=self._color, blocks=self._blocks)
            self._write(self._up() + "".join(f"{text}\n" for text in lines))
            self._drawn = [min(columns, len(text)) for text in lines]

    @contextmanager
    def hidden(self) -> Generator[None]:
        """Show nothing within this block, in which somebody is asked something."""
        self._erase()
        self._hidden = True
        try:
            yield
        finally:
            self._hidden = False

    def close(self) -> None:
        """Leave the terminal as it was found, with what was drawn last removed."""
        self._erase()
        self._style = Style.NONE

    async def keep_showing(
        self, view: Callable[[], View], sleep: Callable[[float], Awaitable[None]]
    ) -> None:
        """Show `view()` every `every_s` until cancelled; `sleep` is asyncio.sleep."""
        while True:
            await sleep(self.every_s)
            self.show(view())

    def _columns(self) -> int:
        """The width of the terminal that the stream is, which needn't be stdout's."""
        if "COLUMNS" not in os.environ:
            with suppress(OSError):
                return os.get_terminal_size(self._stream.fileno()).columns or FALLBACK_COLUMNS
        return shutil.get_terminal_size().columns

    def _erase(self) -> None:
        if self._style is Style.DRAWN:
            self._write(self._up())
            self._drawn = []

    def _up(self) -> str:
        """What takes the cursor to the first drawn line and erases from there.

        A terminal that became narrower since has broken longer lines into several.
        """
        if not self._drawn:
            return ""
        columns = max(1, self._columns())
        rows = sum(max(1, -(-length // columns)) for length in self._drawn)
        return f"\x1b[{rows}A\r{ERASE_BELOW}"

    def _write(self, text: str) -> None:
        encoding = self._stream.encoding or "utf-8"
        try:
            self._stream.write(text.encode(encoding, "backslashreplace").decode(encoding))
            self._stream.flush()
        except (OSError, ValueError):  # closed, a broken pipe, a full disk
            self._style = Style.NONE
