"""Names of tables and columns, and new names for them."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from streamer.config import names
from streamer.config.names import Renaming

NAMES = st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",)), min_size=1)
RESERVED = ("sqlite_", "_cf_", "_streamer_")


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


@given(st.lists(NAMES, min_size=1, max_size=3), NAMES, st.sampled_from(["", " ", "\t"]))
@example(["we.ird", 't"='], "x y", " ")
@example([",", "\n"], "=", "")
def test_any_name_in_quotes_is_found_again(of: list[str], to: str, space: str) -> None:
    if to.lower().startswith(RESERVED):
        return
    text = f"{space}.{space}".join(map(quoted, of)) + f"{space}={space}" + quoted(to)

    assert names.renaming(text) == Renaming(tuple(of), to)
    assert names.split(f"{text},{text}") == (text.strip(), text.strip())


@given(st.text())
@example('"a')
@example('a."')
@example('"""="')
def test_any_text_is_a_renaming_with_names_in_it_or_refused(text: str) -> None:
    try:
        renaming = names.renaming(text)
    except ValueError:
        return

    assert 1 <= len(renaming.of) <= 3
    assert all([*renaming.of, renaming.to])


@pytest.mark.parametrize(
    ("text", "key", "to"),
    [
        ("orders=o", "orders", "o"),
        ("sales.orders=sales_orders", "sales.orders", "sales_orders"),
        ("sales.orders.total=sum", "sales.orders.total", "sum"),
        (" Sales . Orders = Ö ", "Sales.Orders", "Ö"),
        ('"we.ird"."t"=x', "we.ird.t", "x"),
        ('sales."a=b"="c=d"', "sales.a=b", "c=d"),
        ('t="say ""hi"""', "t", 'say "hi"'),
        ("a.b._cf_x=_cf_y", "a.b._cf_x", "_cf_y"),
    ],
)
def test_a_renaming_is_an_old_name_and_a_new_one(text: str, key: str, to: str) -> None:
    renaming = names.renaming(text)

    assert (renaming.key, renaming.to) == (key, to)


@pytest.mark.parametrize(
    "text",
    ["", "=", "a", "a=", "=b", "a.=b", ".a=b", "a..b=c", "a=b=c", "a=b.c", "a b=c", "a=b c",
     '""=b', 'a=""', "a.b.c.d=e", '"a=b', 'a"b=c', '"a"b=c', "a\0=b", "\ud800=b"],
)  # fmt: skip
def test_what_renames_nothing_is_refused_with_what_to_write(text: str) -> None:
    with pytest.raises(ValueError, match=r"renames nothing; write schema\.table=new"):
        names.renaming(text)


@pytest.mark.parametrize(
    "text", ["t=sqlite_t", "t=_cf_t", "s.t=_CF_t", "t=SQLite_x", "t=_streamer_t", "s.t.c=_streamer_row"]
)  # fmt: skip
def test_a_reserved_name_is_no_new_name(text: str) -> None:
    with pytest.raises(ValueError, match=r"are reserved, .* too; write another one"):
        names.renaming(text)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("t.c", ("t", "c")),
        ("s.t.c", ("s.t", "c")),
        ('"s.x"."t"."c,d"', ("s.x.t", "c,d")),
    ],
)
def test_a_column_is_the_last_part_of_its_name(text: str, found: tuple[str, str]) -> None:
    assert names.column(text) == found


@pytest.mark.parametrize("text", ["c", "", "a.b.c.d", "t.*.", "t.", "t c"])
def test_what_names_no_column_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"names no column; write schema\.table\.column"):
        names.column(text)


@pytest.mark.parametrize(
    ("text", "items"),
    [
        ("", ()),
        (",,", ()),
        ("a, b*,", ("a", "b*")),
        ('"a,b"=c,d=e', ('"a,b"=c', "d=e")),
        ('a"b,c', ('a"b', "c")),
    ],
)
def test_a_comma_between_quotes_parts_nothing(text: str, items: tuple[str, ...]) -> None:
    assert names.split(text) == items
