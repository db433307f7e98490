"""A small library that remembers how far a job has come, and knows when it remembers wrongly.

store      CheckpointStore: open, read, begin, save, close; the only writer
file       the SQLite file: made, verified, told from others; `peek` for onlookers
records    RunRecord, StepRecord, and the checksums that they are stored with (pure)
lock       one process at a time; who holds it
watermark  acknowledgements in any order -> the contiguous prefix (pure)
errors     Locked, Damaged, Foreign, Newer, Unwritable
"""

from checkpoints.errors import CheckpointError, Damaged, Foreign, Locked, Newer, Unwritable
from checkpoints.file import peek
from checkpoints.lock import Note, holder
from checkpoints.records import JSON, RunRecord, Saved, StepRecord
from checkpoints.store import CheckpointStore
from checkpoints.watermark import Watermark

__all__ = [
    "JSON",
    "CheckpointError",
    "CheckpointStore",
    "Damaged",
    "Foreign",
    "Locked",
    "Newer",
    "Note",
    "RunRecord",
    "Saved",
    "StepRecord",
    "Unwritable",
    "Watermark",
    "holder",
    "peek",
]
