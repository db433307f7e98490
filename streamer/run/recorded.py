"""What a checkpoint's documents hold, by shape: another shape than expected counts as empty."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from checkpoints import StepRecord

if TYPE_CHECKING:
    from checkpoints import JSON


def items(value: JSON) -> Sequence[JSON]:
    """`value` where it is a JSON array, else an empty one."""
    return value if isinstance(value, list | tuple) else ()


def members(value: JSON) -> Mapping[str, JSON]:
    """`value` where it is a JSON object, else an empty one."""
    return value if isinstance(value, Mapping) else {}


def expecting(step: StepRecord, rows: int, snapshots: frozenset[int]) -> StepRecord:
    """A step of whose table so many more rows may come than it moves, read in `snapshots`."""
    known = members(step.document.get("parents"))
    numbers = {int(str(n)) for n in items(known.get("snapshots"))} | snapshots
    parents: dict[str, JSON] = {
        "rows": int(str(known.get("rows", 0))) + rows,
        "snapshots": sorted(numbers),
    }
    return replace(step, document={**step.document, "parents": parents})
