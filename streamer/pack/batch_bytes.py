"""How big a request body may be: grows while it goes well, halves when it was too much.

What is too much costs D1 more time than what it takes, and more so a little above the limit: so what
was refused once is approached in small steps, each of which has to prove itself for a while.
"""

from __future__ import annotations

from streamer.limits import BATCH_BYTES_MAX, BATCH_BYTES_START

FLOOR = 64_000
FAST_S = 2.0
SLOW_S = 10.0
GROWTH = 1.25
CAREFUL_GROWTH = 1.1
CAREFUL_AFTER = 8  # bodies of one size, once a size was refused
BELOW_REFUSED = 0.9


class BatchBytes:
    """The size in bytes that the next request body may have.

    With `fixed` it starts there and never exceeds it; it still halves when D1 refuses the size,
    since sending it again would be refused again.
    """

    def __init__(self, fixed: int | None = None) -> None:
        self._cap = BATCH_BYTES_MAX if fixed is None else fixed
        self._floor = min(FLOOR, self._cap)
        self._now = BATCH_BYTES_START if fixed is None else fixed
        self._refused = False
        self._taken = 0
        self._in_a_row = 0

    @property
    def current(self) -> int:
        """Bytes that the next body may have."""
        return self._now

    @property
    def worth_a_try(self) -> int | None:
        """Bodies above it are nearly what was too much before; None where nothing was yet."""
        return self._cap if self._refused else None

    def start_at(self, body_bytes: int) -> None:
        """Begin with a size that worked before, within today's bounds."""
        self._now = max(self._floor, min(self._cap, body_bytes))

    def succeeded(self, body_bytes: int, seconds: float) -> None:
        """A body was taken in `seconds`: grow when it was both full and fast."""
        if seconds > SLOW_S:
            self._now = max(self._floor, min(self._now, self._now * 3 // 4))
        elif seconds < FAST_S and body_bytes >= self._now * 0.75:
            self._taken = max(self._taken, body_bytes)
            self._in_a_row += 1
            if not self._refused:
                self._now = min(self._cap, int(self._now * GROWTH))
            elif self._in_a_row >= CAREFUL_AFTER:
                self._in_a_row = 0
                self._now = min(self._cap, int(self._now * CAREFUL_GROWTH))

    def was_too_much(self, body_bytes: int) -> None:
        """A body was refused for its size, or cost D1 too much: go back to half of it, or to what was taken."""
        self._refused = True
        self._in_a_row = 0
        half = body_bytes // 2
        if body_bytes <= self._taken:
            self._taken = half  # it isn't the size alone
        self._cap = max(self._floor, min(self._cap, int(body_bytes * BELOW_REFUSED)))
        self._now = max(self._floor, min(self._now, self._cap, max(half, self._taken)))
