"""Where the users' code failed, for the log."""

from __future__ import annotations

import logging
import traceback

log = logging.getLogger("streamer.transform")


def tell_where(error: BaseException) -> None:
    """Log, for who asks for it, where the user's code failed: lines of code, but no text or value."""
    lines = "".join(traceback.format_tb(error.__traceback__)).rstrip()
    log.debug("%s in a transform\n%s", type(error).__name__, lines)
