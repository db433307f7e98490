"""What a checkpoint's documents hold, by shape: another shape than expected counts as empty."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from checkpoints import JSON


def items(value: JSON) -> Sequence[JSON]:
    """`value` where it is a JSON array, else an empty one."""
    return value if isinstance(value, list | tuple) else ()


def members(value: JSON) -> Mapping[str, JSON]:
    """`value` where it is a JSON object, else an empty one."""
    return value if isinstance(value, Mapping) else {}
