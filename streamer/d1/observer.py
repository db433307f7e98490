"""What one may want to know of the traffic to D1 while it happens."""

from __future__ import annotations

from typing import Protocol

from streamer.d1.failures import FailureKind


class TargetObserver(Protocol):
    """Is told what happens, at once and in order; it must not block or raise."""

    def sent(self, body_bytes: int, /) -> None:
        """A request leaves, with a body of so many bytes; each attempt counts."""
        ...

    def answered(self, seconds: float, rows_written: int, /) -> None:
        """A request succeeded after `seconds`; D1 bills `rows_written`."""
        ...

    def retried(self, kind: FailureKind, wait_s: float, /) -> None:
        """A request failed and will be sent again after `wait_s` or more."""
        ...

    def paused(self, seconds: float, why: str, /) -> None:
        """Nobody sends for `seconds`."""
        ...

    def concurrency(self, requests: int, /) -> None:
        """So many requests may be in flight from now on."""
        ...

    def warning(self, what: str, /) -> None:
        """Something the user should know, said once."""
        ...


class SilentObserver:
    """Wants to know nothing."""

    def sent(self, body_bytes: int, /) -> None:
        """Ignored."""

    def answered(self, seconds: float, rows_written: int, /) -> None:
        """Ignored."""

    def retried(self, kind: FailureKind, wait_s: float, /) -> None:
        """Ignored."""

    def paused(self, seconds: float, why: str, /) -> None:
        """Ignored."""

    def concurrency(self, requests: int, /) -> None:
        """Ignored."""

    def warning(self, what: str, /) -> None:
        """Ignored."""
