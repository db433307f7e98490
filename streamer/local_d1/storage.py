"""The object storage behind signed URLs: files that go into an import or come out of an export."""

from __future__ import annotations

import hashlib
import secrets

from streamer.local_d1.errors import ApiError


class ObjectStorage:
    """Named files in memory. A name is a secret as a signed URL is one."""

    def __init__(self) -> None:
        self._objects: dict[str, bytes] = {}

    def put(self, name: str, content: bytes) -> str:
        """Keep `content`; its etag, the MD5 in hex."""
        self._objects[name] = content
        return hashlib.md5(content, usedforsecurity=False).hexdigest()

    def get(self, name: str) -> bytes:
        """What was kept; raises ApiError."""
        if name not in self._objects:
            raise ApiError(404, 10007, "The specified key does not exist.")
        return self._objects[name]

    def holds(self, name: str, etag: str) -> bool:
        """Whether `name` was kept, with this MD5."""
        content = self._objects.get(name)
        return (
            content is not None
            and hashlib.md5(content, usedforsecurity=False).hexdigest() == etag.strip('"').lower()
        )

    @staticmethod
    def new_name(suffix: str) -> str:
        """A name that can't be guessed."""
        return f"{secrets.token_hex(16)}.{suffix}"
