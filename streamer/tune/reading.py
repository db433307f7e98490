"""How fast the source's rows come: some are read and packed as in a run, and sent nowhere."""

from __future__ import annotations

import logging
from contextlib import aclosing

from streamer import limits
from streamer.config import Config
from streamer.d1 import Clock
from streamer.errors import BadRowsError
from streamer.model import Pack, PageSize, StepId, StepKind, TablePlan
from streamer.pack import Layout, adjust_page, chunk_share, pack_page
from streamer.postgres import PostgresSource

MOST_S = 2.0
_TELLING_BYTES = 4_000_000  # of fewer, most are read in small pages, as at every start

log = logging.getLogger("streamer.tune")


async def source_speed(config: Config, table: TablePlan, clock: Clock) -> float | None:
    """Bytes of request bodies a second that `table` gives; None where it has too few rows to say.

    It is read for about two seconds, in a snapshot that ends with it.

    Nor is anything said of rows that a Python function changes, or that can't be packed.

    Raises:
        SourceError, SourceLostError: the source can't be read.
        RefusedError: the table's statements are too long, as they would be in a run.
    """
    if table.transform:
        return None
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
    async with opening as source:
        began = clock.monotonic()
        size, after = 0, None
        async with aclosing(source.read(table, StepKind.ROWS, None, pages)) as read:
            async for page in read:
                try:
                    chunks = pack_page(
                        layout, page, step=StepId(0), number=0, after=after, chunk_bytes=share
                    )
                except BadRowsError:
                    return None  # what a run will make of it isn't for here
                packed = sum(chunk.bytes for chunk in chunks)
                size, after = size + packed, page.last
                adjust_page(pages, rows=page.rows_read, packed_bytes=packed, target_bytes=share)
                if clock.monotonic() - began > MOST_S:
                    break
        took = clock.monotonic() - began
    return size / took if size >= _TELLING_BYTES else None
