"""What a probe saw, and the plain model of a target that it is read as (pure).

One D1 database runs one query at a time: a request costs the way there and back, which requests
share where several are under way, and the database's own time, which they don't.
"""

from __future__ import annotations

from enum import Enum

from streamer.frozen import frozen
from streamer.model import Speed

_LEAST_PER_BYTE_S = 1e-10  # 10 GB/s: nothing that is sent takes no time at all


class LimitedBy(Enum):
    """What keeps rows from coming faster, as it is said to people."""

    RATE = "the rate limit"
    TARGET = "the database's own time for each request"
    DISTANCE = "the way there and back"
    SOURCE = "reading rows from PostgreSQL"


@frozen
class Shot:
    """One request that travelled alone: its body, its rows, and how long the answer took."""

    body_bytes: int
    rows: int
    seconds: float


@frozen
class Round:
    """A stretch of time in which as many requests were under way as `concurrency`, from answer to answer.

    `body_bytes` and `rows` are the sums of those that were answered in these `seconds`.
    """

    concurrency: int
    body_bytes: int
    rows: int
    seconds: float

    @property
    def bytes_per_s(self) -> float:
        """Bytes of bodies in a second."""
        return self.body_bytes / max(self.seconds, 1e-9)


@frozen
class Measured:
    """All that a probe saw. `round_trip_s` is what an empty query takes; there is at least one shot.

    A request of `refused_bytes` was too much for the target; None: none was. `opening_s` is what it took to
    open the target, until its first answer.
    """

    round_trip_s: float
    shots: tuple[Shot, ...]
    rounds: tuple[Round, ...] = ()
    refused_bytes: int | None = None
    opening_s: float = 0.0

    @property
    def rows(self) -> int:
        """Rows of all requests whose time counts."""
        return sum(one.rows for one in (*self.shots, *self.rounds))

    @property
    def body_bytes(self) -> int:
        """Bytes of the bodies of all requests whose time counts."""
        return sum(one.body_bytes for one in (*self.shots, *self.rounds))

    @property
    def row_bytes(self) -> float:
        """Bytes of a request's body that a row takes, on average."""
        return self.body_bytes / max(self.rows, 1)

    def speed(self, source_bytes_per_s: float | None = None) -> Speed:
        """The line from the empty query through the shots, closest to the big ones (least squares).

        The target digests at least what it took one by one, or several at once.
        """
        squares = sum(shot.body_bytes**2 for shot in self.shots)
        above = sum(shot.body_bytes * (shot.seconds - self.round_trip_s) for shot in self.shots)
        byte_s = max(above / max(squares, 1), _LEAST_PER_BYTE_S)
        best = max((one.bytes_per_s for one in self.rounds), default=0.0)
        return Speed(
            round_trip_s=self.round_trip_s,
            byte_s=byte_s,
            bytes_per_s=max(1 / byte_s, best),
            source_bytes_per_s=source_bytes_per_s,
            opening_s=self.opening_s,
        )
