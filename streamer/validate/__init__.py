"""Proves that source and target hold the same rows, names what differs, and mends it.

comparison   a pass over all rows, then what seemed odd, table by table
sink         batches that D1 compares instead of storing them
suspects     intervals of keys where rows may differ (pure)
look         rows looked at again, newly read on both sides
extras       rows that only the target holds
multiset     tables without a key
checks       counts, references, JSON, uniqueness, in stretches that D1 can answer in time
target_rows  the target's rows walked through, and found by key (pure)
structure    what the target's tables guarantee by themselves
repair       what is missing or different sent, what is extra deleted
room         unique values that moved along longer ways than one request holds
report       the result as a file
sides        both ends as a comparison sees them
differences  what was found, on disk
verdict      the result as values and as a report
"""

from streamer.validate.comparison import Comparer, Progress, is_whole
from streamer.validate.differences import Difference, Differences, Kind
from streamer.validate.sides import Sides
from streamer.validate.structure import Structure, read_structure
from streamer.validate.suspects import Interval, Suspects
from streamer.validate.verdict import Check, Depth, Status, Verdict

__all__ = [
    "Check",
    "Comparer",
    "Depth",
    "Difference",
    "Differences",
    "Interval",
    "Kind",
    "Progress",
    "Sides",
    "Status",
    "Structure",
    "Suspects",
    "Verdict",
    "is_whole",
    "read_structure",
]
