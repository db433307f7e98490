"""Cuts a plan into waves: what may flow together before cycles are published.

Tables that refer to each other without NULLs are staged, and published in one request once all of
a cycle's rows are there. Whoever refers to a published table waits for that. Most databases have
one wave.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from streamer.frozen import frozen
from streamer.model import Loading, QualifiedName, StepKind, TablePlan
from streamer.pipeline import Load


@frozen
class Wave:
    """Loads that flow together, and the cycles that are published after them."""

    loads: tuple[Load, ...]
    cycles: tuple[tuple[TablePlan, ...], ...]


def levels(tables: Sequence[TablePlan]) -> dict[QualifiedName, int]:
    """How many publishings must come before each table's rows; `tables` are in load order."""
    level: dict[QualifiedName, int] = {}
    by_name = {table.name: table for table in tables}
    for table in _cycles_together(tables):
        members = [t for t in tables if table.cycle >= 0 and t.cycle == table.cycle] or [table]
        needed = 0
        for member in members:
            for parent in member.parents:
                if parent not in by_name or by_name[parent] in members:
                    continue
                staged = by_name[parent].loading is Loading.STAGED
                needed = max(needed, level.get(parent, 0) + int(staged))
        for member in members:
            level[member.name] = max(needed, level.get(member.name, 0))
    return level


def _cycles_together(tables: Sequence[TablePlan]) -> list[TablePlan]:
    """`tables` in order, each cycle at the place of its last member, whose parents are known."""
    last = {table.cycle: at for at, table in enumerate(tables) if table.cycle >= 0}
    return [table for at, table in enumerate(tables) if table.cycle < 0 or last[table.cycle] == at]


def waves(
    tables: Sequence[TablePlan], load_of: Callable[[TablePlan, StepKind], Load]
) -> list[Wave]:
    """The waves of `tables` (in load order), with each load's parents set."""
    level = levels(tables)
    rows = {table.name: load_of(table, StepKind.ROWS) for table in tables}
    edges: dict[QualifiedName, Load] = {}
    by_target = {table.target: table for table in tables}
    edge_level: dict[QualifiedName, int] = {}
    for table in tables:
        rows[table.name].after_loads = [
            rows[parent]
            for parent in table.parents
            if level.get(parent) == level[table.name]
            and by_target[rows[parent].plan.target].loading is not Loading.STAGED
        ]
        if table.loading is not Loading.TWO_PASS:
            continue
        load = edges[table.name] = load_of(table, StepKind.EDGES)
        needed = [
            by_target[key.parent]
            for key in table.foreign_keys
            if key.parent in by_target and set(key.columns) & set(table.deferred)
        ]
        load.after_loads = [rows[table.name], *(rows[parent.name] for parent in needed)]
        edge_level[table.name] = max(
            level[table.name],
            *(level[p.name] + int(p.loading is Loading.STAGED) for p in needed),
        )
    result: list[Wave] = []
    for number in range(max([*level.values(), *edge_level.values()], default=-1) + 1):
        loads = [rows[t.name] for t in tables if level[t.name] == number]
        loads += [edges[name] for name, at in edge_level.items() if at == number]
        cycles = sorted({t.cycle for t in tables if t.cycle >= 0 and level[t.name] == number})
        result.append(
            Wave(
                loads=tuple(loads),
                cycles=tuple(tuple(t for t in tables if t.cycle == c) for c in cycles),
            )
        )
    return result
