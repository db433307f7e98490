"""What belonged to the tables that stood in the target before a run's first write.

A run's rollback takes away what the run made and nothing else; this tells the two apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from streamer.model import Statement, TablePlan
from streamer.run.survey import Database, Survey

if TYPE_CHECKING:
    from checkpoints import JSON

_INDEXES = "SELECT tbl_name, name FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL"
_COUNTERS = "SELECT count(*) FROM sqlite_master WHERE name = 'sqlite_sequence'"
_COUNTED = "SELECT name, CAST(seq AS TEXT) FROM sqlite_sequence"


async def had_before(
    database: Database, seen: Survey, tables: Sequence[TablePlan]
) -> dict[str, dict[str, JSON]]:
    """By target table: `had_indexes`, and `counter`, the last id that AUTOINCREMENT gave (or null).

    Tables that aren't there yet are left out; where none is, nothing is asked.
    """
    there = {table.target: seen.find(table.target) for table in tables}
    names = {found.name.lower(): target for target, found in there.items() if found is not None}
    if not names:
        return {}
    answer = await database.execute([Statement.of(_INDEXES), Statement.of(_COUNTERS)])
    counters: dict[str, str] = {}
    if answer.results[1].number:
        counted = await database.execute([Statement.of(_COUNTED)])
        counters = {str(name).lower(): str(last) for name, last in counted.results[0].table(2)}
    found: dict[str, dict[str, JSON]] = {
        target: {"had_indexes": [], "counter": counters.get(name)} for name, target in names.items()
    }
    for table, index in answer.results[0].table(2):
        if target := names.get(str(table).lower()):
            indexes = found[target]["had_indexes"]
            assert isinstance(indexes, list)
            indexes.append(str(index))
    return found
