"""Which of D1's keys the source hasn't got, however both ends spell them."""

# ruff: noqa: ARG002 (the names are those of the protocols)

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from streamer.errors import SourceError
from streamer.model import Key, Page, Storage, TablePlan
from streamer.validate.sides import Sides
from tests.engines.catalogs import FLOAT8, column, plan_of, primary, table
from tests.engines.sqlite_database import SqliteDatabase
from tests.fakes.empty_source import EmptySource

(PLAN,) = plan_of(table("t", column("k", FLOAT8, not_null=True), indexes=[primary("k")])).tables


class Rows(EmptySource):
    """A source of rows with these keys (doubles), which it prints in its own way."""

    def __init__(self, *keys: str, kept: Sequence[str] = (), strict: bool = False) -> None:
        self.asked: list[Sequence[Key]] = []
        self._keys = keys
        self._kept = kept
        self._strict = strict

    async def absent(self, plan: TablePlan, keys: Sequence[Key]) -> set[int]:
        self.asked.append(keys)
        assert plan.key.as_numbers
        if self._strict and any(plan.key.casts):
            raise SourceError("a key that no row can have")
        held = set(map(float, self._keys))
        return {at for at, (key,) in enumerate(keys) if float(key) not in held}

    async def lookup(self, plan: TablePlan, keys: Sequence[Key]) -> list[Page]:
        return [Page([(key,) for key in self._kept], 1, (0,))]


async def gone(source: Rows, *keys: str, plan: TablePlan = PLAN) -> list[str]:
    sides = Sides(source, source, SqliteDatabase())
    return [key for (key,) in await sides.not_in_source(plan, [(key,) for key in keys])]


@pytest.mark.parametrize("strict", [False, True])
async def test_a_key_is_there_though_it_is_printed_otherwise(*, strict: bool) -> None:
    assert PLAN.columns[0].storage is Storage.REAL

    assert await gone(Rows("5", "1e+23", strict=strict), "5.0", "6.0", "1.0e+23") == ["6.0"]


async def test_what_is_no_number_is_gone_and_nobody_is_asked_for_it() -> None:
    source = Rows("5")

    assert sorted(await gone(source, "no number", "5.0", "1_0")) == ["1_0", "no number"]
    assert source.asked == [[("5.0",)]]


async def test_a_function_s_rows_are_there_though_their_keys_are_printed_otherwise() -> None:
    plan = replace(PLAN, transform="rows.py:change")

    assert await gone(Rows("5", "7", kept=["5"]), "5.0", "7.0", plan=plan) == ["7.0"]
