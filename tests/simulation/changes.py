"""What somebody else does to the source's rows meanwhile; every constraint holds before and after."""

from __future__ import annotations

import random
from collections.abc import Sequence

from tests.simulation.rows import Cell, Cells, Postgres, Stored, Version
from tests.simulation.shapes import word


def change(server: Postgres, dice: random.Random) -> None:
    """One transaction of somebody else's; every foreign key holds before and after it."""
    name = dice.choice(list(server.tables))
    server.transact(lambda: _change_table(server, name, dice))
    if dice.random() < 0.2:
        server.vacuum(name, dice)


def _change_table(server: Postgres, name: str, dice: random.Random) -> None:
    rows = server.live(name)
    kind = dice.random()
    once = uniques(server.tables[name])
    if once and len(rows) > 1 and kind < 0.25:
        _move(server, name, dice.choice(once), dice.sample(rows, min(len(rows), 3)), dice)
    elif kind < 0.4 or not rows:
        _insert(server, name, dice)
    elif kind < 0.75:
        version = dice.choice(rows)
        values = _other_values(server, name, version, dice)
        if _is_free(server, name, {**version.cells, **values}, (version,)):
            server.update(name, version, values)
    else:
        _delete(server, name, dice.choice(rows))


def uniques(stored: Stored) -> list[tuple[str, ...]]:
    """The columns, but the key's, of which no two rows may have the same values."""
    indexes = (index for index in stored.table.indexes if index.unique and not index.primary)
    return [tuple(str(name) for name in index.columns) for index in indexes]


def _is_free(server: Postgres, name: str, cells: Cells, but: Sequence[Version] = ()) -> bool:
    """Whether no row, `but` these, has what `cells` may not share with one."""
    stored = server.tables[name]
    for columns in [*uniques(stored), *([stored.key] if stored.key else [])]:
        wanted = [cells[column] for column in columns]
        if None not in wanted and any(
            [v.cells[column] for column in columns] == wanted
            for v in server.live(name)
            if v not in but
        ):
            return False
    return True


def _move(
    server: Postgres,
    name: str,
    columns: tuple[str, ...],
    rows: Sequence[Version],
    dice: random.Random,
) -> None:
    """Let values go round between rows, or from one that lets go of them, or is deleted, to another.

    Rows that are referred to by these values stay as they are, those that refer to themselves too.
    """
    if any(_is_referred_to(server, name, version, columns) for version in rows):
        return
    values = [{column: version.cells[column] for column in columns} for version in rows]
    kind = dice.random()
    if kind < 0.5:
        for version, cells in zip(rows, [*values[1:], values[0]], strict=True):
            server.update(name, version, cells)
        return
    giver, taker = rows[0], rows[1]
    left = _other_values(server, name, giver, dice, renewed=columns, going=(taker,))
    if kind < 0.75:
        if not _delete(server, name, giver):
            return
    elif _is_free(server, name, {**giver.cells, **left}, (giver,)):
        server.update(name, giver, left)
    else:
        return
    server.update(name, taker, values[0])


def _insert(server: Postgres, name: str, dice: random.Random) -> None:
    stored = server.tables[name]
    cells: dict[str, int | str | None] = {}
    for made in stored.table.columns:
        is_text = made.type.name == "text"
        cells[made.name] = word(dice, 20) if is_text else dice.randrange(-500, 5_000)
    for key in stored.table.foreign_keys:
        parents = server.live(str(key.parent))
        if not parents:
            return
        cells[key.columns[0]] = dice.choice(parents).cells[key.parent_columns[0]]
    if _is_free(server, name, cells):
        server.insert(name, cells)


def _other_values(
    server: Postgres,
    name: str,
    version: Version,
    dice: random.Random,
    *,
    renewed: Sequence[str] = (),
    going: Sequence[Version] = (),
) -> Cells:
    """New texts and references for a row, and other values in `renewed`.

    It refers to none that is `going`.
    """
    stored = server.tables[name]
    values: dict[str, Cell] = {}
    for made in stored.table.columns:
        if made.name in stored.key:
            continue
        if made.type.name == "text":
            values[made.name] = word(dice, 40)
        elif made.name in renewed:
            values[made.name] = dice.randrange(-500, 5_000)
    for key in stored.table.foreign_keys:
        rows = (v for v in server.live(str(key.parent)) if v not in going)
        parents = [v.cells[key.parent_columns[0]] for v in rows]
        is_free = not stored.table.column(key.columns[0]).not_null
        lets_go = is_free and (not parents or dice.random() < 0.3)
        values[key.columns[0]] = None if lets_go else dice.choice(parents)
    return values or version.cells


def _is_referred_to(
    server: Postgres, name: str, version: Version, columns: Sequence[str] = ()
) -> bool:
    """Whether another row refers to this one; by some of `columns`, where there are any, or itself."""
    for stored in server.tables.values():
        for key in stored.table.foreign_keys:
            if str(key.parent) != name or (columns and not set(columns) & set(key.parent_columns)):
                continue
            gone = version.cells[key.parent_columns[0]]
            rows = (v for v in server.live(str(stored.table.name)) if columns or v is not version)
            if gone is not None and any(v.cells[key.columns[0]] == gone for v in rows):
                return True
    return False


def _delete(server: Postgres, name: str, version: Version) -> bool:
    """Whether it could go, since no other row refers to it."""
    if _is_referred_to(server, name, version):
        return False
    server.delete(version)
    return True
