"""What a target can do, tried out in a scratch table: how fast rows go in, and by which settings."""

from streamer.tune.advice import Advice, Settings, advise
from streamer.tune.measured import Cost, LimitedBy, Measured, Round, Shot
from streamer.tune.probe import Count, Probing, probe

__all__ = [
    "Advice",
    "Cost",
    "Count",
    "LimitedBy",
    "Measured",
    "Probing",
    "Round",
    "Settings",
    "Shot",
    "advise",
    "probe",
]
