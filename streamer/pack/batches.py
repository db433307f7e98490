"""Chunks of several tables share requests: small tables must not cost a request each."""

from __future__ import annotations

import math
from collections.abc import Callable

from streamer import limits
from streamer.model import Batch, Chunk
from streamer.pack.ledger import LEDGER_FRAME_BYTES, entry_bytes

_BODY_FRAME_BYTES = len('{"batch":[]}')
_MARGIN_BYTES = 2_048  # a chunk's share of the request's frame and of the ledger statement


def chunks_in_batch(batch_bytes: int, most_bytes: int = limits.CHUNK_BYTES) -> int:
    """How many chunks of one table fill a batch of `batch_bytes`, each having `most_bytes` at most."""
    return math.ceil(batch_bytes / most_bytes)


def chunk_share(batch_bytes: int, most_bytes: int = limits.CHUNK_BYTES) -> int:
    """What a chunk may take so that a whole number of them fills a batch."""
    share = batch_bytes // chunks_in_batch(batch_bytes, most_bytes)
    return share - min(_MARGIN_BYTES, share // 20)


class BatchBuilder:
    """Gathers chunks, in the order given, into batches of one request each.

    `max_bytes` says how long a request's body may be now, ledger statement included; only a chunk
    that is longer by itself goes beyond. `max_statements` bounds the statements that carry rows.
    """

    def __init__(
        self, max_bytes: Callable[[], int], max_statements: int = limits.BATCH_STATEMENTS - 1
    ) -> None:
        if not 1 <= max_statements < limits.BATCH_STATEMENTS:
            raise ValueError(f"a batch can't hold {max_statements} statements")
        self._max_bytes = max_bytes
        self._max_statements = max_statements
        self._chunks: list[Chunk] = []
        self._bytes = 0
        self._statements = 0

    @property
    def bytes(self) -> int:
        """How long the body of a request with the chunks that wait would be; 0 if none do."""
        return self._bytes

    def add(self, chunk: Chunk) -> list[Batch]:
        """Take one more chunk; the batches that became full, at most two.

        A batch counts as full as soon as another chunk like the last wouldn't fit, so that nothing
        waits for a chunk that may never come.
        """
        full: list[Batch] = []
        if self._chunks and not self._fits(chunk):
            full.append(self._take())
        if not self._chunks:
            self._bytes = _BODY_FRAME_BYTES + LEDGER_FRAME_BYTES
        self._chunks.append(chunk)
        self._bytes += _cost(chunk)
        self._statements += len(chunk.statements)
        if not self._fits(chunk):
            full.append(self._take())
        return full

    def flush(self) -> Batch | None:
        """What waits as a batch, full or not; None where nothing does."""
        return self._take() if self._chunks else None

    def _fits(self, chunk: Chunk) -> bool:
        return (
            self._bytes + _cost(chunk) <= self._max_bytes()
            and self._statements + len(chunk.statements) <= self._max_statements
        )

    def _take(self) -> Batch:
        batch = Batch(tuple(self._chunks))
        self._chunks, self._bytes, self._statements = [], 0, 0
        return batch


def _cost(chunk: Chunk) -> int:
    return chunk.bytes + entry_bytes(chunk)
