"""Every safeguard that is broken on purpose."""

from __future__ import annotations

from tests.mutants.breaks import Break
from tests.mutants.keyless import KEYLESS
from tests.mutants.lines import LINES
from tests.mutants.marks import FENCES, LOST_CHECKPOINTS
from tests.mutants.moving import MOVING

EVERY: tuple[Break, ...] = (*MOVING, *LINES, *KEYLESS, *FENCES, *LOST_CHECKPOINTS)
