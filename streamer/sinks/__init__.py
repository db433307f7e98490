"""Targets: each makes batches durable, and writing one twice leaves what writing it once leaves."""

from streamer.sinks.ahead import Ahead, lacks_parents
from streamer.sinks.d1 import D1Sink
from streamer.sinks.ownership import Ownership
from streamer.sinks.parents import ParentsFirst
from streamer.sinks.references import Carried
from streamer.sinks.staged import complete

__all__ = ["Ahead", "Carried", "D1Sink", "Ownership", "ParentsFirst", "complete", "lacks_parents"]
