"""Takes back what a run wrote, from what it noted before its first write.

intent     the checkpoint → what was there before, and what the run may have written (pure)
look       what the target holds now
decide     what to drop, to empty, to leave; what speaks against it (pure)
fence      keeps the run's late requests out, so that what is decided then holds
undo       does it, children first, in requests that D1 can finish; may be killed and called again
report     rollback_report.json
job        all of that in order
"""

from streamer.rollback.job import Choices, Method, roll_back

__all__ = ["Choices", "Method", "roll_back"]
