"""What the target holds before the run: tables that refuse some rows, and rows of others."""

from __future__ import annotations

import random
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import apsw
import orjson

from streamer.local_d1 import body as bodies
from streamer.model import IfExists, KeyKind
from streamer.model.sql import quote_identifier
from tests.simulation.changes import uniques
from tests.simulation.rows import Cells, Postgres, Stored, Version
from tests.simulation.settings import HistorySettings
from tests.simulation.target import D1

POISON = "poison"  # a text that the target's tables refuse
Rows = dict[str, list[Cells]]
_END = re.compile(r"\)( WITHOUT ROWID| STRICT|, )*$")


def if_exists_of(settings: HistorySettings, plans: Mapping[str, Any]) -> IfExists:
    """What the run is told: tables without a key can't be upserted into."""
    keyless = any(plan.key.kind is KeyKind.PHYSICAL for plan in plans.values())
    upserts = settings.if_exists is IfExists.UPSERT
    return IfExists.FAIL if upserts and keyless else settings.if_exists


def prepare(settings: HistorySettings, server: Postgres, d1: D1, plans: Mapping[str, Any]) -> Rows:
    """Make what is there before; returns the rows that are in the target and not in the source."""
    dice = random.Random(f"before {settings.seed}")
    if settings.poison:
        _poison(server, settings.poison, dice)
        _execute(d1, [(_refusing(plan), ()) for plan in plans.values()])
    if if_exists_of(settings, plans) is IfExists.FAIL:
        return {}
    rows: list[tuple[str, tuple[Any, ...]]] = [("PRAGMA defer_foreign_keys=on", ())]
    for plan in plans.values():
        early = [index.sql for index in plan.indexes if index.early]
        rows += [(_if_absent(sql), ()) for sql in (plan.create_sql, *early)]
    extra: Rows = {}
    for name, plan in plans.items():
        stored = server.tables[name]
        if not _is_referred_to(server, name) and not stored.table.foreign_keys and stored.key:
            extra[name] = [_others(stored, n) for n in range(dice.randrange(4))]
        cells = [as_it_was(stored, version).cells for version in server.live(name)]
        rows += [_insert(plan, some) for some in [*cells, *extra.get(name, [])]]
    _execute(d1, rows)
    return extra


def as_it_was(stored: Stored, version: Version) -> Version:
    """A row of the source as the target had it: with other texts than it ever has there."""
    key = "-".join(str(version.cells[c]) for c in stored.key) or str(version.place)
    return replace(version, cells={**version.cells, **dict.fromkeys(_texts(stored), f"was {key}")})


def heal(server: Postgres, d1: D1, plans: Mapping[str, Any], *, in_target: bool) -> None:
    """Let D1 take every row: its tables take them all, or the rows are mended, where they have a key.

    Rows without a key are sent again as they were.
    """

    def mend() -> None:
        for name, stored in server.tables.items():
            for version in server.live(name) if stored.key else ():
                bad = {c: "healed" for c in _texts(stored) if version.cells[c] == POISON}
                if bad:
                    server.update(name, version, bad)

    if not in_target:
        server.transact(mend)
    for name, plan in plans.items():
        if in_target or not server.tables[name].key:
            _take_all(d1, plan)


def is_poisonous(cells: Cells) -> bool:
    """Whether the target refuses such a row."""
    return POISON in cells.values()


def _poison(server: Postgres, share: float, dice: random.Random) -> None:
    for stored in server.tables.values():
        texts = [c for c in _texts(stored) if (c,) not in uniques(stored)]
        for version in stored.versions if texts else ():
            if dice.random() < share:
                version.cells = {**version.cells, texts[0]: POISON}


def _texts(stored: Stored) -> list[str]:
    """The columns of texts that aren't in the key."""
    return [
        column.name
        for column in stored.table.columns
        if column.type.name == "text" and column.name not in stored.key
    ]


def _refusing(plan: Any) -> str:
    """The table as the run would make it, and a CHECK that poisonous rows break."""
    end = _END.search(plan.create_sql)
    assert end is not None
    return f"{plan.create_sql[: end.start()]}{_check(plan)}{plan.create_sql[end.start() :]}"


def _check(plan: Any) -> str:
    texts = [c.target for c in plan.columns if c.storage.value == "TEXT"]
    holds = " AND ".join(f"{quote_identifier(name)} IS NOT '{POISON}'" for name in texts) or "1"
    return f", CHECK ({holds})"


def _take_all(d1: D1, plan: Any) -> None:
    """Take the CHECK off a table of the target, which no statement that a client may send can."""
    ask = d1.database.ask
    d1.database._engine._connection.config(apsw.SQLITE_DBCONFIG_DEFENSIVE, 0)
    ask("PRAGMA writable_schema = ON")
    ask(
        "UPDATE sqlite_schema SET sql = replace(sql, ?, '') WHERE name = ?",
        (_check(plan), plan.target),
    )
    ask("PRAGMA writable_schema = RESET")
    d1.database._engine._connection.config(apsw.SQLITE_DBCONFIG_DEFENSIVE, 1)


def _is_referred_to(server: Postgres, name: str) -> bool:
    return any(str(k.parent) == name for s in server.tables.values() for k in s.table.foreign_keys)


def _if_absent(sql: str) -> str:
    return re.sub(r"^CREATE (TABLE|INDEX|UNIQUE INDEX) ", r"CREATE \1 IF NOT EXISTS ", sql)


def _others(stored: Stored, number: int) -> Cells:
    """A row that the source never has."""
    return {
        c.name: f"~extra {number}" if c.type.name == "text" else 100_000 + number
        for c in stored.table.columns
    }


def _insert(plan: Any, cells: Cells) -> tuple[str, tuple[Any, ...]]:
    names = ", ".join(quote_identifier(c.target) for c in plan.columns)
    marks = ", ".join("?" for _ in plan.columns)
    row = tuple(None if cells[c.source] is None else str(cells[c.source]) for c in plan.columns)
    return f"INSERT INTO {quote_identifier(plan.target)} ({names}) VALUES ({marks})", row


def _execute(d1: D1, statements: list[tuple[str, tuple[Any, ...]]]) -> None:
    batch = [{"sql": sql, "params": list(params)} for sql, params in statements]
    d1.database.run(bodies.queries(bodies.parse(orjson.dumps({"batch": batch}))))
