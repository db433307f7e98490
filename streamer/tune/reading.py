"""How fast the source's rows come, and of what form they are: some are read and packed as in a run.

They are sent nowhere, and nothing is kept of them but their form.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import aclosing
from random import Random

from streamer import limits
from streamer.config import Config
from streamer.d1 import Clock
from streamer.errors import BadRowsError
from streamer.frozen import frozen
from streamer.model import Pack, Page, PageSize, StepId, StepKind, TablePlan
from streamer.model.printed import PrintedRows
from streamer.pack import Layout, adjust_page, chunk_share, pack_page
from streamer.pack.cells import page_cells
from streamer.postgres import PostgresSource
from streamer.postgres.copied import is_bare
from streamer.tune.sample import SAMPLED_BYTES, SAMPLED_ROWS, Sample, disguised

MOST_S = 2.0
_TELLING_BYTES = 4_000_000  # of fewer, most are read in small pages, as at every start

log = logging.getLogger("streamer.tune")


@frozen
class SourceSeen:
    """What a look at a table's rows told.

    `bytes_per_s` of request bodies is what it gives, None where it has too few rows to say; `sample`
    are rows of the same form with other contents, None where there are none that a run would send.
    """

    bytes_per_s: float | None = None
    sample: Sample | None = None


async def look_at_rows(
    config: Config, table: TablePlan, clock: Clock, random: Random
) -> SourceSeen:
    """Read `table` for about two seconds, in a snapshot that ends with it.

    Nothing is said of rows that a Python function changes, or that can't be packed.

    Raises:
        SourceError, SourceLostError: the source can't be read.
        RefusedError: the table's statements are too long, as they would be in a run.
    """
    if table.transform:
        return SourceSeen()
    layout = Layout.of(table, StepKind.ROWS, config.run.pack, into_stage=False)
    share = chunk_share(config.pacing.batch_bytes or limits.BATCH_BYTES_MAX)
    pages = PageSize(whole_rows=layout.form is Pack.JSON and not layout.real_cells)
    opening = PostgresSource.open(
        config.source,
        config.run.consistency,
        log.warning,
        pushdown=config.run.pushdown,
        hash_key=config.shaping.hash_key,
    )
    kept: list[Page] = []
    async with opening as source:
        began = clock.monotonic()
        size, number, after = 0, 0, None
        async with aclosing(source.read(table, StepKind.ROWS, None, pages)) as read:
            async for page in read:
                try:
                    chunks = pack_page(
                        layout, page, step=StepId(0), number=0, after=after, chunk_bytes=share
                    )
                except BadRowsError:
                    return SourceSeen()  # what a run will make of it isn't for here
                packed = sum(chunk.bytes for chunk in chunks)
                size, number, after = size + packed, number + 1, page.last
                if number & (number - 1) == 0:  # a power of two: few pages, from all that is read
                    kept.append(page)
                adjust_page(pages, rows=page.rows_read, packed_bytes=packed, target_bytes=share)
                if clock.monotonic() - began > MOST_S:
                    break
        took = clock.monotonic() - began
    return SourceSeen(
        bytes_per_s=size / took if size >= _TELLING_BYTES else None,
        sample=_sample(table, layout, kept, random),
    )


def _sample(
    table: TablePlan, layout: Layout, pages: Sequence[Page], random: Random
) -> Sample | None:
    """Rows from all of `pages`, disguised."""
    found: list[Sequence[str | None]] = []
    for page in pages:
        left = SAMPLED_BYTES // len(pages)
        there = len(page.records)
        for at in random.sample(range(there), min(there, SAMPLED_ROWS // len(pages))):
            (row,) = page_cells(layout, page, at, at + 1)
            found.append(row)
            left -= sum(len(cell or "") for cell in row)
            if left < 0:
                break
    if not found:
        return None
    copied = isinstance(pages[0].records, PrintedRows)
    bare = tuple(is_bare(table, column) for column in table.columns) if copied else None
    return Sample(disguised(found, layout.columns, random), bare)
