"""Every safeguard that is broken on purpose."""

from __future__ import annotations

from tests.mutants.api import NETWORK, REFUSALS
from tests.mutants.breaks import Break
from tests.mutants.keyless import KEYLESS
from tests.mutants.lines import LINES
from tests.mutants.marks import FENCES, LOST_CHECKPOINTS
from tests.mutants.moving import MOVING
from tests.mutants.resumes import BAD_ROWS, CHANGED, STOPS
from tests.mutants.source import SOURCE

EVERY: tuple[Break, ...] = (
    *MOVING,
    *LINES,
    *NETWORK,
    *REFUSALS,
    *SOURCE,
    *STOPS,
    *BAD_ROWS,
    *CHANGED,
    *KEYLESS,
    *FENCES,
    *LOST_CHECKPOINTS,
)
