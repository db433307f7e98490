"""What a sink is to those that wrap one, and what they have in common."""

from __future__ import annotations

from typing import Generic, Protocol, TypeVar

from streamer.model import Answer, Batch


class Sink(Protocol):
    """Makes batches durable."""

    @property
    def batch_bytes(self) -> int:
        """How large a request body should be now."""
        ...

    @property
    def concurrency(self) -> int:
        """How many requests are useful at once now."""
        ...

    async def write(self, batch: Batch) -> Answer:
        """Return only when `batch` is durable."""
        ...


_Inner = TypeVar("_Inner", bound=Sink)


class AroundSink(Generic[_Inner]):
    """A sink around another: its requests are as large, and as many at once, as that one's."""

    def __init__(self, sink: _Inner) -> None:
        self._sink = sink

    @property
    def batch_bytes(self) -> int:
        """How large a request body should be now."""
        return self._sink.batch_bytes

    @property
    def concurrency(self) -> int:
        """How many requests are useful at once now."""
        return self._sink.concurrency
