"""How fast a source and a target were seen to be, and when that counts."""

from __future__ import annotations

from streamer.frozen import frozen


@frozen
class Speed:
    """What was seen of a target, and of the source whose rows go there; nothing is 0.

    A request takes `round_trip_s`, which others share that are under way with it, and `byte_s` for
    each byte of its body. However many are under way, the target takes `each_s` for one of them, 0 where
    that is hidden by the way there, and digests `bytes_per_s` of bodies beside that. The source gives
    `source_bytes_per_s` of them. Until the target's first answer, loading and connecting take
    `opening_s`. To look up one of its rows by the key takes it `lookup_s`. None: wasn't looked at.
    """

    round_trip_s: float
    byte_s: float
    bytes_per_s: float
    source_bytes_per_s: float | None = None
    opening_s: float = 0.0
    each_s: float = 0.0
    lookup_s: float | None = None

    def request_s(self, body_bytes: float) -> float:
        """How long a request with such a body takes alone."""
        return self.round_trip_s + self.byte_s * body_bytes

    def of_target(self, body_bytes: float, concurrency: int) -> float:
        """Bytes of bodies a second, with so many requests of such a body at once."""
        return body_bytes / self.between_answers_s(body_bytes, concurrency)

    def between_answers_s(self, body_bytes: float, concurrency: int) -> float:
        """From one answer to the next, with so many requests of such a body at once, or of an empty one."""
        return max(self.request_s(body_bytes) / concurrency, self._digested_s(body_bytes))

    def digested(self, body_bytes: float) -> float:
        """Bytes of bodies a second, with as many requests of such a body at once as it can do with."""
        return body_bytes / self._digested_s(body_bytes)

    def of_both(self, body_bytes: float, concurrency: int) -> float:
        """The same, from a source that may be slower."""
        target = self.of_target(body_bytes, concurrency)
        return target if self.source_bytes_per_s is None else min(target, self.source_bytes_per_s)

    def _digested_s(self, body_bytes: float) -> float:
        return self.each_s + body_bytes / self.bytes_per_s


@frozen
class LastRun:
    """What the last run sent: `body_bytes` of rows, in so many `seconds` from its start to its end."""

    body_bytes: int
    seconds: float


@frozen
class Known:
    """What is known of a run's time before it starts: of this very target, or nothing.

    `start_s` is how long the source's catalog and the questions about its rows take, and `waited_s` of it how
    long their answers are waited for with nothing else to do, so that a run opens its target meanwhile:
    that takes mostly this process's own time. Of `speed`, which was
    measured, and the `last` run the first counts that is known. `concurrency` is what the settings
    say; None: a run finds the best.
    """

    start_s: float = 0.4
    speed: Speed | None = None
    last: LastRun | None = None
    concurrency: int | None = None
    waited_s: float = 0.0


NOTHING_KNOWN = Known()
