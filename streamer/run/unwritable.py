"""The checkpoint library's errors in the run's own words, with what to do about them."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

import checkpoints
from streamer.errors import CheckpointFullError, CheckpointProblemError


@contextmanager
def translated(
    unwritable: type[CheckpointFullError | CheckpointProblemError] = CheckpointFullError,
) -> Generator[None]:
    """Turn the checkpoint library's errors into ours; one that can't be written is `unwritable`."""
    try:
        yield
    except checkpoints.Unwritable as error:
        raise unwritable(
            str(error), hint="Make room or access for it, then run again with --resume."
        ) from None
    except checkpoints.Locked as error:
        raise CheckpointProblemError(
            str(error), hint="Wait for that run to end, or give this one another --checkpoint."
        ) from None
    except checkpoints.Foreign as error:
        raise CheckpointProblemError(
            str(error), hint="Name another file with --checkpoint."
        ) from None
    except checkpoints.Damaged as error:
        raise CheckpointProblemError(
            str(error),
            hint="Restore the file from a backup; or move it away, and have an unfinished run's made "
            "anew with `streamer run --resume --rebuild-checkpoint`.",
        ) from None
    except checkpoints.CheckpointError as error:
        raise CheckpointProblemError(
            str(error),
            hint="Restore the file from a backup, or name another one with --checkpoint.",
        ) from None
