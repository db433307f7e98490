"""Rows that the target holds and the source doesn't: its keys, page by page, looked for there."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing

from streamer.model import Key, Statement, TablePlan
from streamer.model.sql import quote_identifier
from streamer.pack import numbers_of
from streamer.validate.differences import Difference, Kind
from streamer.validate.read_back import read_back
from streamer.validate.sides import Sides
from streamer.validate.target_rows import Named, Walk, key_columns, key_text_sql, keys_text

FIRST_ROWS, MOST_ROWS = 5_000, 50_000


async def extra_rows(
    sides: Sides, plan: TablePlan, heed_stop: Callable[[], None]
) -> AsyncGenerator[Difference]:
    """The rows of a table with a key that are extra, and still are when looked at again."""
    walk = Walk.through(plan)
    texts = [key_text_sql("o", column) for column in key_columns(plan)]
    places = len(walk.texts)
    pages = read_back(
        sides.database, walk, texts, first=FIRST_ROWS, most=MOST_ROWS, heed_stop=heed_stop
    )
    async with aclosing(pages):
        async for found in pages:
            keys = [tuple(None if c is None else str(c) for c in row[places:]) for row in found]
            for key in await _extra(sides, plan, keys):
                yield Difference(str(plan.name), Kind.EXTRA, key)


async def _extra(
    sides: Sides, plan: TablePlan, keys: Sequence[tuple[str | None, ...]]
) -> list[Key]:
    whole = [tuple(str(part) for part in key) for key in keys if None not in key]
    # No key of PostgreSQL's holds a NULL.
    odd = [tuple("" if part is None else part for part in key) for key in keys if None in key]
    absent = await sides.not_in_source(plan, whole) if whole else []
    if not absent:
        return odd
    held = await still_held(sides, plan, absent)
    return [*odd, *(await sides.not_in_source(plan, held) if held else [])]


async def still_held(sides: Sides, plan: TablePlan, keys: Sequence[Key]) -> list[Key]:
    """Those of `keys` (texts as the target has them) that its rows have now."""
    named = Named(plan)
    sql = (
        f"SELECT s.key FROM {named.rows} JOIN {quote_identifier(plan.target)} AS o ON {named.same}"
    )
    kept: list[Key] = []
    for some in named.parts(keys):
        answer = await sides.database.execute([Statement.of(sql, keys_text(some))])
        kept += [some[n] for n in numbers_of(answer.results[0], len(some))]
    return list(dict.fromkeys(kept))
