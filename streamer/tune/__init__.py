"""What a target can do, tried out in a scratch table: how fast rows go in, and by which settings."""

from streamer.tune.advice import Advice, Settings, advise
from streamer.tune.measured import LimitedBy, Measured, Round, Shot
from streamer.tune.opening import opened
from streamer.tune.probe import Count, Probing, probe
from streamer.tune.reading import SourceSeen, look_at_rows

__all__ = [
    "Advice",
    "Count",
    "LimitedBy",
    "Measured",
    "Probing",
    "Round",
    "Settings",
    "Shot",
    "SourceSeen",
    "advise",
    "look_at_rows",
    "opened",
    "probe",
]
