"""A run's story → log records, for whoever listens: a terminal, a file, the host of the library."""

from __future__ import annotations

import logging

from streamer.progress.events import DETAIL, WARNING
from streamer.progress.lines import Line

IN_DETAIL = {"in_detail": True}
"""Given to a record as `extra`: summed up by others, so stderr shows it with -v only, a log file always."""
FACTS = "facts"
"""Name of a record's attribute, as `extra`: what a log of JSON lines says beside the message."""

log = logging.getLogger("streamer.run")


def log_line(line: str) -> None:
    """Log a line of the story that `Events` tells."""
    facts: dict[str, object] = {FACTS: line.facts} if isinstance(line, Line) else {}
    if line.startswith(DETAIL):
        log.warning("%s", line.removeprefix(DETAIL), extra={**IN_DETAIL, **facts})
    elif line.startswith(WARNING):
        log.warning("%s", line.removeprefix(WARNING), extra=facts)
    elif isinstance(line, Line) and line.routine:
        log.debug("%s", line, extra=facts)
    else:
        log.info("%s", line, extra=facts)
