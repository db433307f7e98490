"""Pages without the rows that D1 has no room for, and where these lay (pure)."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import replace
from itertools import accumulate

from streamer.model import Chunk, Page, Reject
from streamer.pack.fat import Oversized, oversized_rows
from streamer.pack.layout import Layout


def sift(layout: Layout, page: Page) -> tuple[Page, list[Oversized]]:
    """A page without the rows that are too long, and these."""
    found = oversized_rows(layout, page)
    return (_without(page, {row.index for row in found}), found) if found else (page, [])


def _without(page: Page, gone: set[int]) -> Page:
    """A page without some of its records; it still ends with the row that it ended with."""
    kept = [record for n, record in enumerate(page.records) if n not in gone]
    left_out: list[int] = []
    if page.left_out:
        left_out = [0]
        for n, count in enumerate(page.left_out):
            left_out[-1] += count
            if n < len(page.records) and n not in gone:
                left_out.append(0)
    return replace(page, records=kept, left_out=tuple(left_out), upto=page.last)


def with_rejects(
    chunks: Sequence[Chunk], sifted: Sequence[Oversized], rejects: Sequence[Reject]
) -> list[Chunk]:
    """The chunks of a sifted page, each with the rejects that lay among its rows or before them.

    Those at the page's end belong to the last one: so no position moves behind a row that isn't
    written down.
    """
    ends = list(accumulate(chunk.rows for chunk in chunks))
    mine: list[list[Reject]] = [[] for _ in chunks]
    for before, (row, reject) in enumerate(zip(sifted, rejects, strict=True)):
        at = bisect_right(ends, row.index - before)
        mine[min(at, len(chunks) - 1)].append(reject)
    return [
        replace(chunk, rejected=tuple(some)) if some else chunk
        for chunk, some in zip(chunks, mine, strict=True)
    ]
