"""Targets: each makes batches durable, and writing one twice leaves what writing it once leaves."""

from streamer.sinks.d1 import D1Sink
from streamer.sinks.ownership import Ownership

__all__ = ["D1Sink", "Ownership"]
