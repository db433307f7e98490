"""What a mapping is made for: the user's options, and what the rest of the plan asks."""

from __future__ import annotations

from collections.abc import Callable

from streamer.frozen import frozen
from streamer.model import PgType, Storage
from streamer.model.shaping import TypeOptions
from streamer.translate.types.mapping import Mapping

AS_TEXT = "{c}::text"


@frozen
class Asked:
    """The options of a column; `numeric_text` and `server_version` are as in `map_type`."""

    options: TypeOptions
    numeric_text: bool = False
    server_version: int = 0


Maker = Callable[[PgType, Asked], Mapping]
"""Makes the mapping of a type that isn't a domain."""


def text(family: str, note: str = "", template: str = AS_TEXT) -> Mapping:
    """Text that casts back to the value it was printed from."""
    return Mapping(Storage.TEXT, template, family, exact=True, note=note)


def opaque(note: str = "", template: str = AS_TEXT) -> Mapping:
    """Text that is kept as PostgreSQL spells it, in columns that can't be read by."""
    return Mapping(Storage.TEXT, template, "", keyable=False, note=note)


def always(mapping: Mapping) -> Maker:
    """A type that no option has a say in."""
    return lambda _kind, _asked: mapping
