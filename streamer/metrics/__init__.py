"""How a run goes, for those who look in from outside: Prometheus metrics and a page (`--metrics-port`).

collect    Events → metrics, with names, units and help
status     Events → the JSON that the page shows (pure)
server     both on loopback, while the run lasts
"""

from streamer.metrics.server import serving

__all__ = ["serving"]
