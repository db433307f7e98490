"""Which columns are split into several, what that costs, and which stay whole."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from streamer.errors import UsageError
from streamer.model import (
    Check,
    ColumnOptions,
    Finding,
    PgType,
    Plan,
    Shaping,
    Table,
    TableOptions,
    TypeKind,
    TypeOptions,
)
from streamer.model.catalog import TypeField
from streamer.plan import PlanOptions
from streamer.plan.shape import ShapedTable, shape
from tests.engines.catalogs import (
    INT4,
    TEXT,
    base,
    column,
    domain,
    identified,
    index,
    plan_of,
    primary,
    refers,
    table,
)

POINT = base("point")
PLACE = PgType(
    90, "public", "place", "public.place", TypeKind.COMPOSITE,
    fields=(TypeField("at", POINT), TypeField("zone", TEXT)),
)  # fmt: skip
ADDRESS = PgType(
    91, "public", "address", "public.address", TypeKind.COMPOSITE,
    fields=(TypeField("street", TEXT), TypeField("place", PLACE)),
)  # fmt: skip
SPAN = PgType(92, "pg_catalog", "int4range", "int4range", TypeKind.RANGE, inner=INT4)
SPANS = PgType(
    93, "pg_catalog", "int4multirange", "int4multirange", TypeKind.MULTIRANGE, inner=SPAN
)
ALL = TypeOptions(composites="columns", ranges="columns", points="columns")


def plan(made: Table, shaping: Shaping | None = None) -> Plan:
    return plan_of(made, options=PlanOptions(shaping=shaping or Shaping()))


def lines(found: Sequence[Finding]) -> list[str]:
    return [f"{finding.object}: {finding.what}" for finding in found]


CHECK = "CHECK (((home).street <> ''::text))"
PARTS = ["home.street", "home.place.at.x", "home.place.at.y", "home.place.zone"]


def shaped(made: Table, asked: TableOptions | None = None, types: TypeOptions = ALL) -> ShapedTable:
    tables = {str(made.name): asked} if asked else {}
    return shape([made], Shaping(types=types, tables=tables), {}).tables[0]


def problem(made: Table, asked: TableOptions, types: TypeOptions = ALL) -> str:
    with pytest.raises(UsageError) as caught:
        shaped(made, asked, types)
    return caught.value.what


def of_column(name: str, **types: str) -> TableOptions:
    return TableOptions(column={name: ColumnOptions(types=types)})


def test_parts_take_the_place_of_the_whole_to_any_depth() -> None:
    found = shaped(identified("t", column("home", domain(ADDRESS)), column("after", SPAN)))

    assert [one.name for one in found.table.columns] == [
        "id", *PARTS, "after.lower", "after.upper", "after.bounds",
    ]  # fmt: skip
    assert found.target_of("home.place.at.x") == "home__place__at__x"
    assert found.columns["home.place.at.y"].value.count("[1]") == 1
    assert [split.name for split in found.splits if split.merged] == ["home.place", "home"]


def test_each_option_splits_its_own_types_in_the_tables_and_columns_that_ask_for_it() -> None:
    made = identified("t", column("home", ADDRESS), column("other", ADDRESS))

    found = shaped(made, of_column("home", composites="columns"), TypeOptions())

    assert [one.name for one in found.table.columns] == [
        "id", "home.street", "home.place.at", "home.place.zone", "other",
    ]  # fmt: skip
    part = of_column("home.place", composites="postgres")
    assert "home.place" in [one.name for one in shaped(made, part).table.columns]


@pytest.mark.parametrize(
    ("asked", "names"),
    [
        (TableOptions(exclude_columns=("home.place",)), ["id", "home.street"]),
        (TableOptions(exclude_columns=("home",)), ["id"]),
        (TableOptions(columns=("id", "home")), ["id", *PARTS]),
        (TableOptions(columns=("id", "home.place.at")), ["id", *PARTS[1:3]]),
        (TableOptions(columns=("id",)), ["id"]),
    ],
)
def test_parts_are_chosen_and_left_out_by_name_or_with_the_whole(
    asked: TableOptions, names: list[str]
) -> None:
    found = shaped(identified("t", column("home", ADDRESS)), asked)

    assert [one.name for one in found.table.columns] == names


def test_what_can_hold_no_longer_is_named() -> None:
    made = identified(
        "t",
        column("home", domain(ADDRESS, not_null=True), not_null=True, default="ROW('', NULL)"),
        column("span", SPAN, not_null=True),
        indexes=[index("by_home", "home", unique=True), index("by_span", "span")],
        checks=(Check("street_ck", CHECK),),
    )

    found = shaped(made)

    assert lines(found.said) == [
        "public.t.by_home: the unique index is left out: home is split into columns",
        "public.t.by_span: the index is left out: span is split into columns",
        f"public.t.street_ck: the CHECK constraint {CHECK} is left out: home is split into columns",
        "public.t.home: it is split into columns, so its NOT NULL, default isn't carried over",
    ]
    assert [one.name for one in found.table.columns if one.not_null] == ["id", "span.bounds"]
    assert not any(split.merged for split in found.splits if split.name == "home")


def test_a_key_stays_whole_and_says_so_or_is_refused_where_it_alone_was_asked_for() -> None:
    parent = table("p", column("span", SPAN, not_null=True), indexes=[primary("span")])
    child = identified("c", column("span", SPAN), keys=[refers("fk", "span", "p", "span")])
    referred = identified("r", column("span", SPAN), indexes=[index("u", "span", unique=True)])
    other = identified("o", column("id_span", SPAN), keys=[refers("fk", "id_span", "r", "span")])

    shapes = shape([parent, child, referred, other], Shaping(types=ALL), {})

    for found in shapes.tables:
        assert not found.splits
        (line,) = lines(found.said)
        assert 'stays whole although ranges = "columns": a key or a foreign key' in line
    for made in (parent, child):
        what = problem(made, of_column("span", ranges="columns"), TypeOptions())
        assert "a key or a foreign key is made of it" in what
        assert 'Leave it whole: ranges = "text"' in what


def test_multiranges_masks_and_parts_of_what_stays_whole_are_refused() -> None:
    many = identified("t", column("many", SPANS), column("home", ADDRESS))

    assert "stays whole" in "".join(lines(shaped(many).said))
    assert "a multirange has any number" in problem(many, of_column("many", ranges="columns"))
    masked = TableOptions(
        column={"home": ColumnOptions(mask="redact", types={"composites": "columns"})}
    )
    assert "an expression or a mask makes one value" in problem(many, masked)
    stranger = of_column("home.street", varchar="checked")
    assert problem(many, stranger, TypeOptions()) == (
        "public.t.home.street: what it is a part of isn't split into columns."
    )
    assert "isn't about the type text" in problem(many, stranger)
    key = table("k", column("home", ADDRESS))
    assert "a part of a column can't be a key" in problem(key, TableOptions(key=("home.street",)))


def test_names_that_are_taken_are_refused_with_a_way_out() -> None:
    same_target = identified("t", column("home", ADDRESS), column("HOME__STREET"))
    same_source = identified("t", column("home", ADDRESS), column("home.street"))

    (refusal,) = plan(same_target, Shaping(types=ALL)).refusals

    assert "are one when case is ignored" in refusal.what
    assert refusal.hint.startswith("--rename public.t.HOME__STREET=")
    renamed = Shaping(types=ALL, rename={"t.home.street": "street"})
    assert plan(same_target, renamed).refusals == ()
    assert "there is a column home.street already" in "".join(lines(shaped(same_source).said))


def test_more_columns_than_d1_takes_are_refused() -> None:
    made = identified("t", *(column(f"c{n}", ADDRESS) for n in range(25)))

    (refusal,) = plan(made, Shaping(types=ALL)).refusals

    assert refusal.what == "has 101 columns, D1 allows 100"
