"""One table's way from the source to the target, and many of them at once."""

from streamer.pipeline.load import Load, Position
from streamer.pipeline.mover import Limits, Mover, Observer, Sink, Source
from streamer.pipeline.recorder import Recorder

__all__ = ["Limits", "Load", "Mover", "Observer", "Position", "Recorder", "Sink", "Source"]
