"""A local D1: Cloudflare's REST API over SQLite files, with D1's limits, oddities and errors.

For rehearsals and tests. It imports nothing else of this project. What it answers is proven equal to
workerd's, the open source of D1, by one suite that runs against both. Known differences: `rows_read` is
an estimate, `rows_written` too for partial and expression indexes, ALTER TABLE and ANALYZE (written.py); text that
isn't UTF-8 can't be shown; LIKE and GLOB never match a blob; only moments whose bookmark was asked for
can be gone back to.
"""

from streamer.local_d1.errors import LocalD1Error
from streamer.local_d1.faults import FaultKind, Faults
from streamer.local_d1.server import LocalD1
from streamer.local_d1.worker import Times

__all__ = ["FaultKind", "Faults", "LocalD1", "LocalD1Error", "Times"]
