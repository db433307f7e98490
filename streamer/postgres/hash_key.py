"""The key of the mask `hash`, and how PostgreSQL comes to know it without reading it in any SQL.

HMAC-SHA256 needs two paddings of the key (RFC 2104, 2). They are settings of one transaction,
given as bound parameters: they appear in no statement's text, and are gone at the transaction's
end, so that the next user of a pooled connection doesn't find them.
"""

from __future__ import annotations

import hashlib
from typing import Self

from streamer.frozen import frozen
from streamer.model import Secret
from streamer.postgres.connect import Session

INNER, OUTER = "streamer.hash_inner", "streamer.hash_outer"
_BLOCK_BYTES = 64  # of SHA-256: RFC 2104, 2
_SET = (
    f"SELECT pg_catalog.set_config('{INNER}', $1, true), pg_catalog.set_config('{OUTER}', $2, true)"
)


@frozen
class HashKey:
    """A key's inner and outer padding, as hex text that casts to bytea."""

    inner: Secret
    outer: Secret

    @classmethod
    def of(cls, key: Secret) -> Self:
        """The paddings of `key`, whose bytes are its UTF-8."""
        text = key.reveal().encode()
        block = (hashlib.sha256(text).digest() if len(text) > _BLOCK_BYTES else text).ljust(
            _BLOCK_BYTES, b"\0"
        )
        return cls(_padded(block, 0x36), _padded(block, 0x5C))

    async def hand_to(self, session: Session) -> None:
        """Give `session`'s transaction the key; it must have begun."""
        await session.fetchrow(_SET, self.inner.reveal(), self.outer.reveal())


def _padded(block: bytes, pad: int) -> Secret:
    return Secret("\\x" + bytes(byte ^ pad for byte in block).hex())
