"""Targets: each makes batches durable, and writing one twice leaves what writing it once leaves.

A batch goes down this chain; each link mends what those below are refused for (around: what they share):

rejecting    rows that D1 never takes are set aside, the others of their batch written
diagnosing   finds these rows (bad_rows)
moved        UNIQUE values that moved since: whoever holds them lets go first
parents      rows whose parents came late: these go first (ahead; references, late_places, left_out)
d1           a batch and its ledger entry in one request

Beside it:

ownership    who may write: this run at this epoch, and nobody else
renewing     rows of the target as the source has them now (refresh), all that belongs together in one
             request (together); who holds a value that others have now (untying, uniqueness)
duplicates   rows that share what may be there once, since some aren't as the source has them now
staged       a cycle's staging tables made fit for publishing (unfit, taking_out, giving_way); few runs
             have one, and only these load it
"""

from streamer.sinks.ahead import Ahead
from streamer.sinks.bad_rows import BadRow, FoundBadRowsError
from streamer.sinks.d1 import D1Sink
from streamer.sinks.diagnosing import Diagnosing
from streamer.sinks.duplicates import Duplicates
from streamer.sinks.moved import MovedValues
from streamer.sinks.ownership import Ownership
from streamer.sinks.parents import ParentsFirst
from streamer.sinks.references import Carried
from streamer.sinks.refresh import Leaving
from streamer.sinks.rejecting import Rejecting
from streamer.sinks.renewing import Renewing
from streamer.sinks.untying import Untying

__all__ = [
    "Ahead",
    "BadRow",
    "Carried",
    "D1Sink",
    "Diagnosing",
    "Duplicates",
    "FoundBadRowsError",
    "Leaving",
    "MovedValues",
    "Ownership",
    "ParentsFirst",
    "Rejecting",
    "Renewing",
    "Untying",
]
