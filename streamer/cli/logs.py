"""Log lines as text or JSON: to stderr, and to a file of the user's."""

from __future__ import annotations

import json
import logging
import sys
import traceback
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from streamer.cli.log_file import LogFile
from streamer.cli.redact import Redactor
from streamer.config import LogFormat, OutputSettings
from streamer.progress.story import FACTS
from streamer.progress.view import printable

# A step's log has no option of its own: it lies in the step's folder.
_BESIDE_ITS_FILES = "move away what has that name, or make its folder writable for yourself"


class _Lines(logging.Formatter):
    """One line a record: `2026-11-22T20:49:11Z warning message`, or a JSON object."""

    def __init__(self, kind: LogFormat, redact: Redactor, *, debug: bool) -> None:
        super().__init__()
        self._kind = kind
        self._redact = redact
        self._debug = debug

    def format(self, record: logging.LogRecord) -> str:
        """The record's line, without a line break and without secrets."""
        moment = datetime.fromtimestamp(record.created, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        level, message = record.levelname.lower(), _harmless(record.getMessage())
        if record.exc_info and record.exc_info[0] is not None:
            # A foreign exception's text may hold rows or secrets: its type must do.
            message += f" ({record.exc_info[0].__name__})"
            if self._debug:
                message += "\n" + "".join(traceback.format_exception(*record.exc_info)).rstrip()
        if self._kind is LogFormat.JSON:
            fields = {"time": moment, "level": level, "logger": record.name, "message": message}
            told = {**fields, **getattr(record, FACTS, {}), **fields}
            return self._redact(json.dumps(told, ensure_ascii=False))
        return self._redact(f"{moment} {level} {message}".replace("\n", "\n    "))


class _Screen(logging.Handler):
    """Hands lines to whoever owns stderr at the moment."""

    def __init__(self) -> None:
        super().__init__()
        self.say: Callable[[str], None] = _print_line

    def emit(self, record: logging.LogRecord) -> None:
        """Write the record's line; a stream that is closed or full doesn't end the work."""
        with suppress(OSError, ValueError):
            self.say(self.format(record))


class Logs:
    """The log of one command."""

    def __init__(
        self, screen: _Screen, handlers: list[logging.Handler], settings: OutputSettings
    ) -> None:
        self._screen = screen
        self._handlers = handlers  # the screen's among them
        self._settings = settings

    def fail(self, lines: tuple[str, ...]) -> None:
        """Say why the command ends, as `lines` on stderr (one record in JSON) and in the file."""
        record = logging.LogRecord(
            "streamer.cli", logging.ERROR, __file__, 0, "\n".join(lines), None, None
        )
        for handler in self._handlers:
            if handler is not self._screen:
                handler.handle(record)
        if self._settings.log_format is LogFormat.JSON:
            self._screen.handle(record)
        else:
            with suppress(OSError, ValueError):
                _print_line(_harmless("\n".join(lines)))

    @contextmanager
    def shown_by(self, say: Callable[[str], None]) -> Generator[None]:
        """Let `say` write the lines for a while (a progress display that owns the terminal)."""
        before, self._screen.say = self._screen.say, say
        try:
            yield
        finally:
            self._screen.say = before

    def also_in(self, path: Path) -> None:
        """From now on, write the log to the file `path` too, whatever is said on stderr.

        Raises: SettingsError where it can't be opened.
        """
        handler = _file(path, "the step's log", self._settings, _BESIDE_ITS_FILES)
        handler.setLevel(logging.INFO)
        handler.setFormatter(self._screen.formatter)
        logging.getLogger().addHandler(handler)
        self._handlers.append(handler)


@contextmanager
def logging_to(
    settings: OutputSettings, redact: Redactor, *, debug: bool = False
) -> Generator[Logs]:
    """Log to stderr, and to the file that was asked for, until the end of the block.

    A log that can't be written any more is given up; the work goes on.

    Raises: SettingsError where the file can't be opened.
    """
    lines = _Lines(settings.log_format, redact, debug=debug)
    screen = _Screen()
    screen.setLevel(_screen_level(settings.verbosity))
    if settings.verbosity <= 0:
        screen.addFilter(lambda record: not getattr(record, "in_detail", False))
    handlers: list[logging.Handler] = [screen]
    if settings.log_file is not None:
        handlers.append(_file(settings.log_file, "--log-file", settings))
        handlers[-1].setLevel(logging.DEBUG if settings.verbosity > 0 else logging.INFO)
    root, ours = logging.getLogger(), logging.getLogger("streamer")
    before = (root.level, ours.level, logging.raiseExceptions)
    logging.raiseExceptions = False
    root.setLevel(logging.DEBUG if settings.verbosity > 1 else logging.WARNING)
    ours.setLevel(logging.DEBUG)
    for handler in handlers:
        handler.setFormatter(lines)
        root.addHandler(handler)
    try:
        yield Logs(screen, handlers, settings)
    finally:
        for handler in handlers:
            root.removeHandler(handler)
            with suppress(OSError, ValueError):
                handler.close()
        root.setLevel(before[0])
        ours.setLevel(before[1])
        logging.raiseExceptions = before[2]


def _screen_level(verbosity: int) -> int:
    if verbosity < 0:
        return logging.ERROR
    return logging.DEBUG if verbosity > 0 else logging.INFO


def _harmless(text: str) -> str:
    """Lines in which nothing moves a cursor: names of tables are whatever their owner likes."""
    return "\n".join(printable(line) for line in text.split("\n"))


def _print_line(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _file(
    path: Path, called: str, settings: OutputSettings, remedy: str = "write another path"
) -> LogFile:
    most, keep = settings.log_max_bytes, settings.log_keep
    return LogFile(path, called, remedy=remedy, most_bytes=most, keep=keep)
