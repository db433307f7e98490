"""What a resumed run may not change."""

from dataclasses import replace

import pytest

from streamer.model import ColumnOptions, Secret, Shaping, TableOptions, TypeOptions
from streamer.plan import PlanOptions
from streamer.plan.fingerprint import key_digest
from tests.engines.catalogs import BYTEA, INT4, TEXT, column, identified, plan_of, qualified

MADE = identified("t", column("a", TEXT), column("b", BYTEA))


def fingerprint(shaping: Shaping) -> str:
    types = {(qualified("t"), "a"): INT4}
    options = PlanOptions(shaping=shaping, expression_types=types)
    return plan_of(MADE, options=options).tables[0].fingerprint


def of_table(**asked: object) -> Shaping:
    return Shaping(tables={"t": TableOptions(**asked)})  # pyright: ignore[reportArgumentType] (fields by name)


def of_column(**asked: object) -> Shaping:
    return of_table(column={"a": ColumnOptions(**asked)})  # pyright: ignore[reportArgumentType] (fields by name)


CHANGES = [
    Shaping(),
    of_table(where="id > 5"),
    of_table(where="id > 6"),
    of_table(transform="mine:change"),
    of_table(rename="u"),
    of_table(exclude_columns=("a",)),
    of_column(rename="x"),
    of_column(expression="length(a)"),
    of_column(expression="length(a) + 1"),
    of_column(mask="null"),
    of_column(mask="redact"),
    of_column(mask="hash"),
    replace(of_column(mask="hash"), hash_key=Secret("0123456789abcdef")),
    replace(of_column(mask="hash"), hash_key=Secret("0123456789abcdeg")),
    Shaping(types=TypeOptions(bytea="hex")),
]


def test_whatever_changes_what_is_written_changes_the_fingerprint():
    prints = [fingerprint(shaping) for shaping in CHANGES]

    assert len(set(prints)) == len(CHANGES)


@pytest.mark.parametrize(
    "shaping",
    [
        Shaping(types=TypeOptions(geometry="ewkt")),
        Shaping(hash_key=Secret("of no mask, but long enough")),
        of_table(exclude_foreign_keys=()),
    ],
)
def test_what_changes_nothing_in_a_table_leaves_its_fingerprint(shaping: Shaping):
    assert fingerprint(shaping) == fingerprint(Shaping())


def test_the_digest_of_a_key_tells_keys_apart_and_is_short():
    one, other = key_digest(Secret("0123456789abcdef")), key_digest(Secret("0123456789abcdeg"))

    assert one != other
    assert one == key_digest(Secret("0123456789abcdef"))
    assert len(one) == 16
    assert key_digest(None) == ""
