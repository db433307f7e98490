"""Smaller pieces of what D1 wouldn't take at once: a batch by chunks, a chunk by statements or rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from itertools import accumulate

import orjson

from streamer.model import Batch, Chunk, Statement, StepId
from streamer.model.printed import sent_rows
from streamer.pack.layout import Layout
from streamer.pack.packer import statement_bytes
from streamer.pack.unpack import bound_rows, statement_rows


def halve(batch: Batch) -> tuple[Batch, Batch] | None:
    """Two batches of about half the bytes each, chunks in order; None where there is one chunk.

    They may be sent in any order.
    """
    if len(batch.chunks) < 2:
        return None
    ends = list(accumulate(chunk.bytes for chunk in batch.chunks[:-1]))
    cut = 1 + min(range(len(ends)), key=lambda n: abs(ends[n] - batch.bytes / 2))
    return Batch(batch.chunks[:cut]), Batch(batch.chunks[cut:])


def smaller(batch: Batch, layouts: Mapping[StepId, Layout]) -> tuple[Batch, Batch] | None:
    """Two parts of `batch`, to be sent in this order; None where it is a single row."""
    halves = halve(batch)
    if halves is not None:
        return halves
    (chunk,) = batch.chunks
    parts = halve_chunk(layouts[chunk.step], chunk)
    return parts and (Batch((parts[0],)), Batch((parts[1],)))


def halve_chunk(layout: Layout, chunk: Chunk) -> tuple[Chunk, Chunk] | None:
    """Two parts of a chunk, of the same number; None where it is a single row, or none.

    The second may be sent only after the first was acknowledged: the keys between them aren't known,
    so that the second claims the whole interval in the ledger and the first nothing. The chunk is
    acknowledged when both are.
    """
    if chunk.rows <= 1 or sum(len(statement_rows(layout, s)) for s in chunk.statements) <= 1:
        return None
    if len(chunk.statements) == 1:
        one, two, first_rows = _halve_statement(layout, chunk.statements[0])
        first, second = (one,), (two,)
    else:
        middle = len(chunk.statements) // 2
        first, second = chunk.statements[:middle], chunk.statements[middle:]
        first_rows = sum(len(statement_rows(layout, statement)) for statement in first)
    begun = replace(chunk, before=chunk.before + first_rows)
    return (
        _part(replace(chunk, gone=0), first, rows=first_rows, claims=False),
        _part(begun, second, rows=chunk.rows - first_rows, claims=chunk.claims),
    )


def behind(batch: Batch, gone: Mapping[tuple[StepId, int], int]) -> Batch:
    """The second of two parts of a batch, where so many rows of the first weren't written after all."""
    return Batch(
        tuple(
            replace(chunk, before=max(0, chunk.before - gone.get((chunk.step, chunk.number), 0)))
            for chunk in batch.chunks
        )
    )


def _part(chunk: Chunk, statements: tuple[Statement, ...], *, rows: int, claims: bool) -> Chunk:
    size = sum(map(statement_bytes, statements))
    return replace(chunk, statements=statements, rows=rows, bytes=size, claims=claims)


def _halve_statement(layout: Layout, statement: Statement) -> tuple[Statement, Statement, int]:
    """A statement of several rows as two, and how many rows the first one has."""
    if statement.sql == layout.json_sql:
        # Numbers that the server printed keep their digits, as text: the column converts it.
        rows = sent_rows(str(statement.values()[0]))
        middle = len(rows) // 2
        halves = [
            Statement.of(statement.sql, orjson.dumps(half).decode())
            for half in (rows[:middle], rows[middle:])
        ]
        return halves[0], halves[1], middle
    bound = bound_rows(layout, statement)
    middle = len(bound) // 2
    one, two = (
        Statement(
            layout.values_statement(len(half)), orjson.dumps([c for row in half for c in row])
        )
        for half in (bound[:middle], bound[middle:])
    )
    return one, two, middle
