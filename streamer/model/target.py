"""Which database a run writes into, so that it goes on in no other."""

from __future__ import annotations

from enum import StrEnum

from streamer.frozen import frozen


class TargetKind(StrEnum):
    """How a target is reached: by Cloudflare's REST API, or as a file of this machine."""

    D1 = "d1"
    SQLITE = "sqlite"
    WRANGLER = "wrangler"


@frozen
class TargetIdentity:
    """What makes a target this very one.

    `database` is D1's id of it within `account`, or `sqlite:` or `wrangler:` and a file's absolute
    path, where `account` is ''. `name` is what people call it, '' where it has no other name.
    """

    kind: TargetKind
    database: str
    account: str = ""
    name: str = ""

    def __str__(self) -> str:
        """How messages call it."""
        if self.kind is TargetKind.SQLITE:
            return f"the file {self.database.removeprefix('sqlite:')}"
        if self.kind is TargetKind.WRANGLER:
            return f"the Worker's local database {self.name}"
        return f"D1 database {self.name or self.database}"
