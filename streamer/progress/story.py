"""A run's story → log records, for whoever listens: a terminal, a file, the host of the library."""

from __future__ import annotations

import logging

from streamer.progress.events import DETAIL, WARNING

IN_DETAIL = {"in_detail": True}
"""Given to a record as `extra`: summed up by others, so stderr shows it with -v only, a log file always."""

log = logging.getLogger("streamer.run")


def log_line(line: str) -> None:
    """Log a line of the story that `Events` tells."""
    if line.startswith(DETAIL):
        log.warning("%s", line.removeprefix(DETAIL), extra=IN_DETAIL)
    elif line.startswith(WARNING):
        log.warning("%s", line.removeprefix(WARNING))
    else:
        log.info("%s", line)
