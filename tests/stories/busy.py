"""The database of busy.sql: what a writer does to it meanwhile, and what a copy of it must hold."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import asyncpg

from tests.engines.d1server import D1Server
from tests.engines.postgres import Database

SQL = Path(__file__).with_suffix(".sql").read_text()

KEYED = ("account", "vault", "parent", "child", "grandchild", "employee", "store", "staff",
         "chicken", "egg", "feather", "setting")  # fmt: skip
"""The tables that the writer changes and whose rows have a key: their first column."""

PAUSE = "SELECT pg_sleep($1)"


@dataclass
class Writer:
    """Random transactions, one after the other. Rows are touched only as busy.sql says."""

    dice: random.Random
    transactions: int = 0
    gone: dict[str, set[int | str]] = field(default_factory=dict)
    _next: int = 10_000

    async def write(self, connection: asyncpg.Connection, pause_s: float) -> None:
        """Go on until cancelled."""
        ways = (self._move_money, self._change, self._family_comes, self._family_goes,
                self._rewire, self._lay, self._append, self._between_kinds)  # fmt: skip
        while True:
            async with connection.transaction():
                await self.dice.choice(ways)(connection)
            self.transactions += 1
            await connection.execute(PAUSE, pause_s)

    def _touched(self, most: int, least: int = 1) -> int:
        number = self.dice.randint(least, most)
        return number if number % 3 else max(least, number - 1)

    def _new(self) -> int:
        """An id of no row, before or behind all others."""
        self._next += 1
        number = self._next if self._next % 3 else self._next + 1
        self._next = number
        return number if self.dice.random() < 0.5 else -number

    async def _move_money(self, connection: asyncpg.Connection) -> None:
        update = "UPDATE account SET balance = balance + $2, v = v + 1 WHERE id = $1"
        for amount in (7, -7):
            await connection.execute(update, self._touched(300), amount)

    async def _between_kinds(self, connection: asyncpg.Connection) -> None:
        """From one table to the other: only both in one moment keep the sum."""
        await connection.execute(
            "UPDATE account SET balance = balance - 11, v = v + 1 WHERE id = $1", self._touched(300)
        )
        await connection.execute(
            "UPDATE vault SET balance = balance + 11, v = v + 1 WHERE id = $1",
            f"v{self._touched(60)}",
        )

    async def _change(self, connection: asyncpg.Connection) -> None:
        await connection.execute(
            "UPDATE setting SET value = $2, v = v + 1 WHERE name = $1",
            f"name {self._touched(150)}",
            "y" * self.dice.randrange(40),
        )
        await connection.execute(
            "UPDATE parent SET name = name || 'q', v = v + 1 WHERE id = $1", self._touched(200)
        )

    async def _family_comes(self, connection: asyncpg.Connection) -> None:
        parent, child = self._new(), self._new()
        await connection.execute("INSERT INTO parent VALUES ($1, 'new', 0)", parent)
        await connection.execute("INSERT INTO child VALUES ($1, $2, 0)", child, parent)
        await connection.execute("INSERT INTO grandchild VALUES ($1, $2, 0)", self._new(), child)
        adopted = "UPDATE child SET parent = $2, v = v + 1 WHERE id = $1"
        await connection.execute(adopted, self._touched(400), parent)

    async def _family_goes(self, connection: asyncpg.Connection) -> None:
        number = self._touched(400)
        for table, column in (("grandchild", "child"), ("child", "id")):
            gone = await connection.fetch(
                f"DELETE FROM {table} WHERE {column} = $1 AND id % 3 != 0 AND NOT EXISTS"
                " (SELECT FROM grandchild g WHERE g.child = $1 AND g.id % 3 = 0) RETURNING id",
                number,
            )
            self.gone.setdefault(table, set()).update(row[0] for row in gone)

    async def _rewire(self, connection: asyncpg.Connection) -> None:
        update = "UPDATE {} SET {} = $2, v = v + 1 WHERE id = $1"
        for table, column, most, other in (
            ("employee", "boss", 149, 149),
            ("store", "manager", 40, 120),
            ("staff", "store", 120, 40),
            ("feather", "chicken", 300, 100),
        ):
            chosen = self._touched(most), self.dice.randint(1, other)
            await connection.execute(update.format(table, column), *chosen)

    async def _lay(self, connection: asyncpg.Connection) -> None:
        """One more of each, that refer to each other, and a feather of the new one."""
        number = self._new()
        await connection.execute("INSERT INTO chicken VALUES ($1, $1, 0)", number)
        await connection.execute("INSERT INTO egg VALUES ($1, $1, 0)", number)
        await connection.execute("INSERT INTO feather VALUES ($1, $2, 0)", self._new(), number)

    async def _append(self, connection: asyncpg.Connection) -> None:
        await connection.execute("INSERT INTO log VALUES ($1, 1)", f"late {self.dice.random()}")
        if self.dice.random() < 0.3:
            await connection.execute("DELETE FROM log WHERE v = 1 AND line < 'late 0.3'")


@asynccontextmanager
async def written_to(
    source: Database, dice: random.Random, *, pause_s: float = 0.004
) -> AsyncGenerator[Writer]:
    """Let a writer change `source` until the end of the block."""
    writer = Writer(dice)
    connection = await source.connect()
    task = asyncio.create_task(writer.write(connection, pause_s))
    try:
        yield writer
    finally:
        task.cancel()
        ended = await asyncio.gather(task, return_exceptions=True)
        await connection.close()
    assert [type(one) for one in ended] == [asyncio.CancelledError], ended


async def broken_promises(
    source: Database, target: D1Server, uuid: str, writer: Writer
) -> list[str]:
    """What a copy that was made meanwhile may not be: [] where all that was promised holds.

    Rows that nobody touched are equal; rows that were there all the time are there, with a value of
    some moment; no row is there that never was; every reference holds.
    """
    found = [str(row) for row in target.rows(uuid, "PRAGMA foreign_key_check")]
    for table in KEYED:
        held = _by_key(target.rows(uuid, f"SELECT * FROM {table}"))
        now = _by_key([list(row) for row in await source.fetch(f"SELECT * FROM {table}")])
        gone = writer.gone.get(table, set())
        for key, row in now.items():
            if _is_new(key):
                continue
            if key not in held:
                found.append(f"{table}: a row is missing")
            elif (row[-1] == 0 or _is_untouched(key)) and held[key] != row:
                found.append(f"{table}: a row that nobody touched differs")
            elif not 0 <= held[key][-1] <= row[-1]:
                found.append(f"{table}: a row has a value of no moment")
        extra = [key for key in held if key not in now and key not in gone and not _is_new(key)]
        found += [f"{table}: a row that never was"] * len(extra)
        if len(held) != len(target.rows(uuid, f"SELECT 1 FROM {table}")):
            found.append(f"{table}: a row is there twice")
    quiet = "SELECT line FROM log WHERE v = 0 ORDER BY line COLLATE {}"
    lines = [row[0] for row in target.rows(uuid, quiet.format("BINARY"))]
    if lines != [row[0] for row in await source.fetch(quiet.format('"C"'))]:
        found.append("log: rows that nobody touched differ")
    return found


def _by_key(rows: Sequence[Sequence[object]]) -> dict[object, list[object]]:
    return {row[0]: list(row) for row in rows}


def _number(key: object) -> int:
    return int("".join(sign for sign in str(key) if sign in "-0123456789"))


def _is_untouched(key: object) -> bool:
    return _number(key) % 3 == 0


def _is_new(key: object) -> bool:
    return abs(_number(key)) >= 10_000
