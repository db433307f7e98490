"""A local D1: Cloudflare's REST API over SQLite files, with D1's limits, oddities and errors.

For rehearsals and tests. It imports nothing else of this project.
"""

from streamer.local_d1.errors import LocalD1Error
from streamer.local_d1.faults import FaultKind, Faults
from streamer.local_d1.server import LocalD1

__all__ = ["FaultKind", "Faults", "LocalD1", "LocalD1Error"]
