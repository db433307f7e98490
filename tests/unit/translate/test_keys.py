import pytest

from streamer.model import Index, KeyKind
from streamer.translate.keys import choose_key
from streamer.translate.types import Mapping, map_type
from tests.engines.catalogs import CITEXT, INT4, INT8, JSONB, TEXT, column, index, primary, table

COLUMNS = (
    column("a", INT4, not_null=True),
    column("b", TEXT, not_null=True),
    column("c", INT8),
    column("d", JSONB, not_null=True),
    column("e", CITEXT, not_null=True),
)


def chosen(*indexes: Index):
    made = table("t", *COLUMNS, indexes=indexes)

    def mapping_of(name: str) -> Mapping:
        found = map_type(made.column(name).type)
        assert isinstance(found, Mapping)
        return found

    return choose_key(made, mapping_of, str.upper)


def test_the_primary_key_is_the_key_in_its_own_order():
    key = chosen(index("u", "a", unique=True), primary("b", "a"))

    assert key.kind is KeyKind.PRIMARY
    assert key.columns == ("b", "a")
    assert key.targets == ("B", "A")
    assert key.casts == ("text", "integer")
    assert key.name == "pkey"


def test_without_one_the_narrowest_unique_index_serves_integers_first():
    key = chosen(
        index("wide", "a", "b", unique=True),
        index("text", "b", unique=True),
        index("number", "a", unique=True),
    )

    assert (key.kind, key.name) == (KeyKind.UNIQUE, "number")


@pytest.mark.parametrize(
    "unfit",
    [
        index("plain", "a"),
        index("nullable", "c", unique=True),
        index("partial", "a", unique=True, predicate="a > 0"),
        index("expression", "a", None, unique=True),
        index("invalid", "a", unique=True, valid=False),
        index("deferrable", "a", unique=True, immediate=False),
        index("descending", "a", unique=True, descending=(True,)),
        index("opclass", "b", unique=True, operator_classes_default=False),
        index("other method", "a", unique=True, method="gist"),
        index("unordered", "d", unique=True),
        primary("a", immediate=False),
        primary("d"),
    ],
    ids=lambda unfit: unfit.name,
)
def test_an_index_that_rows_cannot_be_read_by_is_no_key(unfit: Index):
    assert chosen(unfit).kind is KeyKind.PHYSICAL
