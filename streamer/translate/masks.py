"""What becomes of a column whose values must not be carried over as they are."""

from __future__ import annotations

from streamer.model import PgType
from streamer.model.shaping import Mask
from streamer.translate.types import Mapping, Unsupported


def masked(
    mapping: Mapping, mask: Mask, kind: PgType, *, not_null: bool = False
) -> Mapping | Unsupported:
    """How a column of type `kind`, which would be moved by `mapping`, is moved under `mask`.

    `not_null`: the column may hold no NULL.
    """
    del mapping, not_null
    return Unsupported(f"the mask {mask} isn't there yet for {kind.formatted}")
