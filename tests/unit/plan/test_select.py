from dataclasses import replace

import pytest

from streamer.config import Selection
from streamer.errors import UsageError
from streamer.model import QualifiedName
from streamer.plan import select
from streamer.plan.select import matching
from tests.engines.catalogs import catalog, identified, said

CATALOG = catalog(
    *(
        identified(name)
        for name in ("orders", "order_items", "users", "audit.log", "audit.users", "pg_catalog.x")
    )
)


def chosen(**selection: tuple[str, ...]) -> list[str]:
    tables, _ = select(CATALOG, Selection(**selection))
    return [str(table.name) for table in tables]


def test_without_patterns_the_schema_public_is_meant():
    assert chosen() == ["public.orders", "public.order_items", "public.users"]


def test_a_star_means_all_schemas_but_the_system_s():
    assert len(chosen(schemas=("*",))) == 5


def test_a_pattern_without_a_dot_stays_in_the_schemas():
    assert chosen(tables=("user*",)) == ["public.users"]
    assert chosen(tables=("user*",), schemas=("a*",)) == ["audit.users"]


def test_a_pattern_with_a_dot_reaches_every_schema():
    assert chosen(tables=("audit.l*", "orders")) == ["public.orders", "audit.log"]


NAMES = ("order.items", "order_items", "order?items", "[order]", "*", "public.order_items")
HOSTILE = catalog(*(replace(identified("t"), name=QualifiedName("a.b", name)) for name in NAMES))


@pytest.mark.parametrize("name", NAMES)
def test_a_table_that_is_meant_exactly_comes_alone_whatever_its_letters(name: str):
    meant = QualifiedName("a.b", name)
    selection = Selection(exactly=frozenset({meant}))

    tables, findings = select(HOSTILE, selection)

    assert [table.name for table in tables] == [meant]
    assert findings == []
    assert [t.name for t in HOSTILE.tables if matching(t.name, selection)] == [meant]


def test_a_table_that_is_meant_exactly_and_is_not_there_is_refused():
    with pytest.raises(UsageError, match=r"a\.b\.order items: no such table"):
        select(HOSTILE, Selection(exactly=frozenset({QualifiedName("a.b", "order items")})))


def test_an_exclusion_without_a_dot_reaches_every_schema():
    assert chosen(schemas=("*",), exclude=("users", "public.order_*")) == [
        "public.orders",
        "audit.log",
    ]


def test_patterns_that_match_nothing_are_refused_with_the_nearest_names():
    with pytest.raises(UsageError) as caught:
        select(CATALOG, Selection(tables=("ordres", "audit.lgo"), schemas=("publik",)))

    assert "--table ordres: no such table. Did you mean public.orders" in caught.value.what
    assert "--table audit.lgo: no such table. Did you mean audit.log?" in caught.value.what
    assert "--schema publik" in caught.value.what


def test_an_exclusion_that_matches_nothing_is_warned_about():
    _, findings = select(CATALOG, Selection(exclude=("secret*", "odrers")))

    assert "--exclude secret*: matches no table" in said(findings)
    assert "Did you mean public.orders?" in said(findings)


@pytest.mark.parametrize("selection", [Selection(), Selection(schemas=("*",), exclude=("*",))])
def test_a_selection_that_leaves_nothing_is_refused_and_told_which_schemas_hold_tables(
    selection: Selection,
):
    with pytest.raises(UsageError) as caught:
        select(catalog(identified("shop.t")), selection)

    assert "schemas that hold tables: shop" in caught.value.what


def test_a_database_without_tables_is_no_mistake():
    tables, findings = select(catalog(), Selection())

    assert tables == ()
    assert "holds no table" in said(findings)
