"""Tables of every kind, rows for them, and what somebody else does to these rows meanwhile."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import replace

from streamer.model import Table
from tests.engines.catalogs import INT4, TEXT, column, identified, primary, refers, table
from tests.simulation.rows import Cells, Postgres, Version

_LETTERS = "abcxyz019 é😀'\"\\,[]\n"
Shape = tuple[list[tuple[Table, tuple[str, ...]]], Callable[[Postgres, random.Random, int], None]]


def _word(dice: random.Random, most: int = 12) -> str:
    return "".join(dice.choice(_LETTERS) for _ in range(dice.randint(1, most)))


def _numbers(dice: random.Random, count: int) -> list[int]:
    """Keys with gaps, negative ones too, in no order."""
    return dice.sample(range(-count, 4 * count + 1), count)


def _plain() -> Shape:
    items = identified("items", column("name"), column("n", INT4))

    def fill(server: Postgres, dice: random.Random, rows: int) -> None:
        for key in _numbers(dice, rows):
            server.insert(
                "public.items", {"id": key, "name": _word(dice, 60), "n": dice.choice([None, key])}
            )

    return [(items, ("id",))], fill


def _texts() -> Shape:
    words = table(
        "words", column("w", TEXT, not_null=True), column("n", INT4), indexes=[primary("w")]
    )

    def fill(server: Postgres, dice: random.Random, rows: int) -> None:
        for word in sorted({_word(dice) for _ in range(rows)}, key=lambda _: dice.random()):
            server.insert("public.words", {"w": word, "n": dice.randrange(100)})

    return [(words, ("w",))], fill


def _pairs() -> Shape:
    pairs = table(
        "pairs",
        column("a", INT4, not_null=True),
        column("b", TEXT, not_null=True),
        column("v"),
        indexes=[primary("a", "b")],
    )

    def fill(server: Postgres, dice: random.Random, rows: int) -> None:
        keys = {(dice.randrange(9), _word(dice, 5)) for _ in range(rows)}
        for a, b in sorted(keys, key=lambda _: dice.random()):
            server.insert("public.pairs", {"a": a, "b": b, "v": _word(dice, 40)})

    return [(pairs, ("a", "b"))], fill


def _keyless() -> Shape:
    log = table("log", column("at", INT4), column("line"))

    def fill(server: Postgres, dice: random.Random, rows: int) -> None:
        for n in range(rows):
            server.insert("public.log", {"at": n // 3, "line": dice.choice(["x", _word(dice, 40)])})

    return [(log, ())], fill


def _family() -> Shape:
    tables = [
        identified("parents", column("name")),
        identified(
            "children",
            column("parent", INT4, not_null=True),
            column("note"),
            keys=[refers("of_parent", "parent", "parents")],
        ),
        identified(
            "toys",
            column("child", INT4),
            column("note"),
            keys=[refers("of_child", "child", "children")],
        ),
    ]

    def fill(server: Postgres, dice: random.Random, rows: int) -> None:
        parents = _numbers(dice, max(1, rows // 4))
        for key in parents:
            server.insert("public.parents", {"id": key, "name": _word(dice)})
        children = _numbers(dice, rows)
        for key in children:
            cells = {"id": key, "parent": dice.choice(parents), "note": _word(dice, 30)}
            server.insert("public.children", cells)
        for key in _numbers(dice, rows // 2):
            child = dice.choice([None, dice.choice(children)])
            server.insert("public.toys", {"id": key, "child": child, "note": _word(dice)})

    return [(t, ("id",)) for t in tables], fill


def _staff() -> Shape:
    staff = identified(
        "staff", column("name"), column("boss", INT4), keys=[refers("of_boss", "boss", "staff")]
    )

    def fill(server: Postgres, dice: random.Random, rows: int) -> None:
        keys = _numbers(dice, rows)
        for key in keys:
            boss = dice.choice([None, dice.choice(keys)])
            server.insert("public.staff", {"id": key, "name": _word(dice, 30), "boss": boss})

    return [(staff, ("id",))], fill


def _cycle() -> Shape:
    tables = [
        identified(
            mine,
            column("other", INT4, not_null=True),
            column("note"),
            keys=[refers(f"of_{theirs}", "other", theirs)],
        )
        for mine, theirs in (("chickens", "eggs"), ("eggs", "chickens"))
    ]
    feathers = identified(
        "feathers", column("of", INT4, not_null=True), keys=[refers("of", "of", "chickens")]
    )

    def fill(server: Postgres, dice: random.Random, rows: int) -> None:
        keys = _numbers(dice, max(1, rows // 2))
        for name in ("chickens", "eggs"):
            for key in keys:
                cells = {"id": key, "other": dice.choice(keys), "note": _word(dice, 30)}
                server.insert(f"public.{name}", cells)
        for key in _numbers(dice, rows // 2):
            server.insert("public.feathers", {"id": key, "of": dice.choice(keys)})

    return [(t, ("id",)) for t in (*tables, feathers)], fill


def _fat() -> Shape:
    fat = replace(identified("fat", column("body"), size=1 << 26), toast_bytes=1 << 26)

    def fill(server: Postgres, dice: random.Random, rows: int) -> None:
        for key in _numbers(dice, max(1, rows // 12)):
            server.insert(
                "public.fat", {"id": key, "body": "x" * dice.choice([10, 900, 9_000, 40_000])}
            )

    return [(fat, ("id",))], fill


def _many() -> Shape:
    tables = [identified(f"small{n}", column("v")) for n in range(12)]

    def fill(server: Postgres, dice: random.Random, rows: int) -> None:
        for small in tables:
            for key in range(dice.choice([0, 1, 3, rows // 20])):
                server.insert(str(small.name), {"id": key, "v": _word(dice)})

    return [(t, ("id",)) for t in tables], fill


SHAPES: tuple[Callable[[], Shape], ...] = (
    _plain,
    _texts,
    _pairs,
    _keyless,
    _family,
    _staff,
    _cycle,
    _fat,
    _many,
)


def make(dice: random.Random, rows: int) -> Postgres:
    """A server with one to three kinds of tables, about `rows` rows in each table."""
    return make_of(dice.sample(SHAPES, dice.choice([1, 1, 2, 3])), dice, rows)


def make_of(kinds: Sequence[Callable[[], Shape]], dice: random.Random, rows: int) -> Postgres:
    """A server with these kinds of tables."""
    shapes = [kind() for kind in kinds]
    server = Postgres([entry for tables, _ in shapes for entry in tables])
    for _, fill in shapes:
        fill(server, dice, max(1, int(rows * dice.choice([0.1, 0.5, 1.0, 1.5]))))
    return server


def change(server: Postgres, dice: random.Random) -> None:
    """One transaction of somebody else's; every foreign key holds before and after it."""
    name = dice.choice(list(server.tables))
    server.transact(lambda: _change_table(server, name, dice))
    if dice.random() < 0.2:
        server.vacuum(name, dice)


def _change_table(server: Postgres, name: str, dice: random.Random) -> None:
    rows = server.live(name)
    kind = dice.random()
    if kind < 0.4 or not rows:
        _insert(server, name, dice)
    elif kind < 0.75:
        version = dice.choice(rows)
        server.update(name, version, _other_values(server, name, version, dice))
    else:
        _delete(server, name, dice.choice(rows))


def _insert(server: Postgres, name: str, dice: random.Random) -> None:
    stored = server.tables[name]
    cells: dict[str, int | str | None] = {}
    for made in stored.table.columns:
        is_text = made.type.name == "text"
        cells[made.name] = _word(dice, 20) if is_text else dice.randrange(-500, 5_000)
    for key in stored.table.foreign_keys:
        parents = server.live(str(key.parent))
        if not parents:
            return
        cells[key.columns[0]] = dice.choice(parents).cells[key.parent_columns[0]]
    wanted = [cells[k] for k in stored.key]
    if wanted and any([v.cells[k] for k in stored.key] == wanted for v in server.live(name)):
        return
    server.insert(name, cells)


def _other_values(server: Postgres, name: str, version: Version, dice: random.Random) -> Cells:
    stored = server.tables[name]
    values: dict[str, int | str | None] = {}
    for made in stored.table.columns:
        if made.name in stored.key:
            continue
        if made.type.name == "text":
            values[made.name] = _word(dice, 40)
    for key in stored.table.foreign_keys:
        parents = server.live(str(key.parent))
        parent = dice.choice(parents).cells[key.parent_columns[0]]
        is_free = not stored.table.column(key.columns[0]).not_null
        values[key.columns[0]] = None if is_free and dice.random() < 0.3 else parent
    return values or version.cells


def _delete(server: Postgres, name: str, version: Version) -> None:
    """Unless another row refers to it."""
    for stored in server.tables.values():
        for key in stored.table.foreign_keys:
            if str(key.parent) != name:
                continue
            gone = version.cells[key.parent_columns[0]]
            others = (v for v in server.live(str(stored.table.name)) if v is not version)
            if any(v.cells[key.columns[0]] == gone for v in others):
                return
    server.delete(version)
