"""Tables of every kind, and rows for them."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import replace

from streamer.model import Table
from tests.engines.catalogs import INT4, TEXT, column, identified, index, primary, refers, table
from tests.simulation.rows import Postgres

_LETTERS = "abcxyz019 é😀'\"\\,[]\n"
Shape = tuple[list[tuple[Table, tuple[str, ...]]], Callable[[Postgres, random.Random, int], None]]


def word(dice: random.Random, most: int = 12) -> str:
    """A text of 1 to `most` letters, some of them awkward."""
    return "".join(dice.choice(_LETTERS) for _ in range(dice.randint(1, most)))


def _numbers(dice: random.Random, count: int) -> list[int]:
    """Keys with gaps, negative ones too, in no order."""
    return dice.sample(range(-count, 4 * count + 1), count)


def _plain() -> Shape:
    items = identified("items", column("name"), column("n", INT4))

    def fill(server: Postgres, dice: random.Random, rows: int) -> None:
        for key in _numbers(dice, rows):
            server.insert(
                "public.items", {"id": key, "name": word(dice, 60), "n": dice.choice([None, key])}
            )

    return [(items, ("id",))], fill


def _texts() -> Shape:
    words = table(
        "words", column("w", TEXT, not_null=True), column("n", INT4), indexes=[primary("w")]
    )

    def fill(server: Postgres, dice: random.Random, rows: int) -> None:
        for text in sorted({word(dice) for _ in range(rows)}, key=lambda _: dice.random()):
            server.insert("public.words", {"w": text, "n": dice.randrange(100)})

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
        keys = {(dice.randrange(9), word(dice, 5)) for _ in range(rows)}
        for a, b in sorted(keys, key=lambda _: dice.random()):
            server.insert("public.pairs", {"a": a, "b": b, "v": word(dice, 40)})

    return [(pairs, ("a", "b"))], fill


def _keyless() -> Shape:
    log = table("log", column("at", INT4), column("line"))

    def fill(server: Postgres, dice: random.Random, rows: int) -> None:
        for n in range(rows):
            server.insert("public.log", {"at": n // 3, "line": dice.choice(["x", word(dice, 40)])})

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
            server.insert("public.parents", {"id": key, "name": word(dice)})
        children = _numbers(dice, rows)
        for key in children:
            cells = {"id": key, "parent": dice.choice(parents), "note": word(dice, 30)}
            server.insert("public.children", cells)
        for key in _numbers(dice, rows // 2):
            child = dice.choice([None, dice.choice(children)])
            server.insert("public.toys", {"id": key, "child": child, "note": word(dice)})

    return [(t, ("id",)) for t in tables], fill


def _staff() -> Shape:
    staff = identified(
        "staff", column("name"), column("boss", INT4), keys=[refers("of_boss", "boss", "staff")]
    )

    def fill(server: Postgres, dice: random.Random, rows: int) -> None:
        keys = _numbers(dice, rows)
        for key in keys:
            boss = dice.choice([None, dice.choice(keys)])
            server.insert("public.staff", {"id": key, "name": word(dice, 30), "boss": boss})

    return [(staff, ("id",))], fill


def _cycle() -> Shape:
    farms = identified("farms", column("name"))
    tables = [
        identified(
            mine,
            column("other", INT4, not_null=True),
            column("note"),
            column("colour"),
            *([column("farm", INT4)] if mine == "chickens" else []),
            keys=[
                refers(f"of_{theirs}", "other", theirs),
                *([refers("of_farm", "farm", "farms")] if mine == "chickens" else []),
            ],
            indexes=[index(f"{mine}_note", "note", unique=True)] if mine == "chickens" else [],
        )
        for mine, theirs in (("chickens", "eggs"), ("eggs", "chickens"))
    ]
    feathers = identified(
        "feathers", column("of", INT4, not_null=True), keys=[refers("of", "of", "chickens")]
    )

    def fill(server: Postgres, dice: random.Random, rows: int) -> None:
        farms = _numbers(dice, max(1, rows // 9))
        for key in farms:
            server.insert("public.farms", {"id": key, "name": word(dice)})
        keys = _numbers(dice, max(1, rows // 2))
        for name in ("chickens", "eggs"):
            for key in keys:
                note = dice.choice([None, f"{key}:{word(dice, 20)}"])
                cells = {"id": key, "other": dice.choice(keys), "note": note, "colour": word(dice)}
                farm = {"farm": dice.choice([None, *farms])} if name == "chickens" else {}
                server.insert(f"public.{name}", {**cells, **farm})
        for key in _numbers(dice, rows // 2):
            server.insert("public.feathers", {"id": key, "of": dice.choice(keys)})

    return [(t, ("id",)) for t in (farms, *tables, feathers)], fill


def _accounts() -> Shape:
    """Values that may be there once, of columns that may be NULL and that may not, and of two."""
    accounts = identified(
        "accounts",
        column("mail", TEXT, not_null=True),
        column("nick"),
        column("org", INT4, not_null=True),
        column("seat", INT4),
        indexes=[
            index("accounts_mail", "mail", unique=True),
            index("accounts_nick", "nick", unique=True),
            index("accounts_seat", "org", "seat", unique=True),
        ],
    )
    notes = identified(
        "notes", column("account", INT4), keys=[refers("of_account", "account", "accounts")]
    )

    def fill(server: Postgres, dice: random.Random, rows: int) -> None:
        keys = _numbers(dice, rows)
        for n, key in enumerate(keys):
            nick = dice.choice([None, f"{word(dice)}:{key}"])
            seat = dice.choice([None, n % 5])
            cells = {"id": key, "mail": f"{key}:{word(dice)}", "nick": nick, "org": n // 5}
            server.insert("public.accounts", {**cells, "seat": seat})
        for key in _numbers(dice, rows // 2):
            server.insert("public.notes", {"id": key, "account": dice.choice([None, *keys])})

    return [(accounts, ("id",)), (notes, ("id",))], fill


def _members() -> Shape:
    """Values that may be there once, of rows that refer to others and are referred to."""
    towns = identified("towns", column("land"))
    members = identified(
        "members",
        column("mail", TEXT, not_null=True),
        column("nick"),
        column("town", INT4, not_null=True),
        column("note"),
        keys=[refers("of_town", "town", "towns")],
        indexes=[
            index("members_mail", "mail", unique=True),
            index("members_nick", "nick", unique=True),
        ],
    )
    cards = identified(
        "cards", column("member", INT4, not_null=True), keys=[refers("of", "member", "members")]
    )

    def fill(server: Postgres, dice: random.Random, rows: int) -> None:
        places = _numbers(dice, max(1, rows // 6))
        for key in places:
            server.insert("public.towns", {"id": key, "land": word(dice)})
        keys = _numbers(dice, rows)
        for key in keys:
            nick = dice.choice([None, f"{word(dice)}:{key}"])
            cells = {"id": key, "mail": f"{key}:{word(dice)}", "nick": nick, "note": word(dice)}
            server.insert("public.members", {**cells, "town": dice.choice(places)})
        for key in _numbers(dice, rows // 2):
            server.insert("public.cards", {"id": key, "member": dice.choice(keys)})

    return [(t, ("id",)) for t in (towns, members, cards)], fill


def _wide() -> Shape:
    """As many columns as D1 takes, of which a few are filled, without a key and with one."""
    columns = [column(f"c{n}", INT4 if n % 2 else TEXT) for n in range(99)]
    tables = [(identified("wide", *columns), ("id",)), (table("broad", *columns), ())]

    def fill(server: Postgres, dice: random.Random, rows: int) -> None:
        for made, keyed in tables:
            for key in _numbers(dice, max(1, rows // 4)):
                cells: dict[str, int | str | None] = {c.name: None for c in columns}
                for n in dice.sample(range(99), dice.choice([0, 3, 99])):
                    cells[f"c{n}"] = dice.randrange(100) if n % 2 else word(dice)
                server.insert(str(made.name), {**cells, **({"id": key} if keyed else {})})

    return tables, fill


def _nodes() -> Shape:
    """A table without a key that refers to itself, and one that refers to it."""
    nodes = table(
        "nodes",
        column("id", INT4),
        column("up", INT4),
        column("note"),
        indexes=[index("nodes_id", "id", unique=True)],
        keys=[refers("of_up", "up", "nodes")],
    )
    leaves = identified(
        "leaves", column("node", INT4, not_null=True), keys=[refers("of_node", "node", "nodes")]
    )

    def fill(server: Postgres, dice: random.Random, rows: int) -> None:
        keys = _numbers(dice, max(1, rows // 2))
        for key in keys:
            up = dice.choice([None, dice.choice(keys)])
            server.insert("public.nodes", {"id": key, "up": up, "note": word(dice)})
        for key in _numbers(dice, rows // 2):
            server.insert("public.leaves", {"id": key, "node": dice.choice(keys)})

    return [(nodes, ()), (leaves, ("id",))], fill


def _loose() -> Shape:
    """A cycle that is published together, one of its tables without a key."""
    locks = table(
        "locks",
        column("id", INT4),
        column("of", INT4, not_null=True),
        column("mark"),
        indexes=[index("locks_id", "id", unique=True)],
        keys=[refers("of_bolt", "of", "bolts")],
    )
    bolts = identified(
        "bolts",
        column("of", INT4, not_null=True),
        column("note"),
        keys=[refers("of_lock", "of", "locks")],
    )

    def fill(server: Postgres, dice: random.Random, rows: int) -> None:
        keys = _numbers(dice, max(1, rows // 3))
        for key in keys:
            cells = {"id": key, "of": dice.choice(keys), "mark": word(dice)}
            server.insert("public.locks", cells)
        for key in keys:
            cells = {"id": key, "of": dice.choice(keys), "note": word(dice)}
            server.insert("public.bolts", cells)

    return [(locks, ()), (bolts, ("id",))], fill


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
                server.insert(str(small.name), {"id": key, "v": word(dice)})

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
    _accounts,
    _members,
    _wide,
    _nodes,
    _loose,
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
