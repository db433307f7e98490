"""The target's rows, read back page by page: as many at once as make a good answer."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Sequence

from streamer.d1 import AnswerTooLongError, TooLargeError
from streamer.errors import TargetError
from streamer.model import Key, TablePlan
from streamer.validate.sides import Database
from streamer.validate.target_rows import Walk

ANSWER_BYTES = 4_000_000  # about what one answer should be long
GROWTH = 4  # times as many rows as the page before had, or as many fewer where these were too many


def rows_to_begin_with(plan: TablePlan, most: int) -> int:
    """How many whole rows of a table make a good answer, by what they take on PostgreSQL's disk.

    At most `most`, which it is also where nobody knows; what PostgreSQL keeps compressed comes longer.
    """
    rows = plan.table.rows
    if rows <= 0:
        return most
    row_bytes = 2 * plan.table.bytes // rows  # as hex digits
    return max(1, min(most, ANSWER_BYTES // (row_bytes + 1)))


async def read_back(
    database: Database,
    walk: Walk,
    outputs: Sequence[str],
    *,
    first: int,
    most: int,
    heed_stop: Callable[[], None],
) -> AsyncGenerator[Sequence[Sequence[object]]]:
    """All rows in pages: each row its places as texts, then `outputs`.

    The first page has `first` rows, later ones at most `most`, by how long the rows of the page before
    were. Where that makes too long an answer, or too much work, fewer are asked for.

    Raises:
        TargetError: a single row is too much.

    """
    after: Key | None = None
    rows = first
    while True:
        heed_stop()
        try:
            answer = await database.execute([walk.page(after, rows, outputs)])
        except (AnswerTooLongError, TooLargeError) as error:
            if rows == 1:
                raise TargetError(
                    f"{walk.table}: a single row is too much to be read back. {error.what}",
                    hint="Shorten the row in D1, or leave the table out with --exclude.",
                ) from None
            rows = max(1, rows // GROWTH)
            continue
        found = answer.results[0].rows
        if not found:
            return
        yield found
        after = tuple(map(str, found[-1][: len(walk.texts)]))
        size = sum(len(str(cell)) for row in found for cell in row) // len(found)
        rows = max(1, min(most, rows * GROWTH, ANSWER_BYTES // (size + 1)))
