"""What would fail in D1, or mean something else there, isn't translated, and its reason says why."""

from __future__ import annotations

import logging
import subprocess
import sys

import pytest

from streamer.model import PgType, TypeKind
from streamer.model.shaping import TypeOptions
from streamer.translate.expressions import (
    Operand,
    Scope,
    Translated,
    Untranslated,
    check,
    default,
    domain_check,
    generated,
    index_key,
    predicate,
    view,
)
from streamer.translate.types import Unsupported, map_type
from tests.engines.catalogs import (
    BOOL,
    BYTEA,
    CITEXT,
    FLOAT8,
    INT4,
    INT8,
    JSONB,
    NUMERIC,
    TEXT,
    array,
    base,
    numeric,
)

MOOD = PgType(77, "public", "mood", "public.mood", TypeKind.ENUM, labels=("a", "b"))
ADDRESS = PgType(78, "public", "addr", "public.addr", TypeKind.COMPOSITE)


def operand(name: str, kind: PgType) -> Operand:
    mapping = map_type(kind)
    assert not isinstance(mapping, Unsupported)
    return Operand(name, kind, mapping)


KINDS = {
    "a": INT4,
    "n": INT4,
    "big": INT8,
    "price": numeric(10, 2),
    "num": NUMERIC,
    "f": FLOAT8,
    "r": base("float4"),
    "t": TEXT,
    "name": TEXT,
    "email": TEXT,
    "ci": CITEXT,
    "flag": BOOL,
    "ch": base("bpchar"),
    "d": base("date"),
    "ts": base("timestamp"),
    "tz": base("timestamptz"),
    "j": JSONB,
    "js": base("json"),
    "tags": array(TEXT),
    "m": MOOD,
    "addr": ADDRESS,
    "by": BYTEA,
    "iv": base("interval"),
    "uid": base("uuid"),
    "ip": base("inet"),
    "cash": base("money"),
    "num2": NUMERIC,
    "rng": base("int4range"),
    "v": base("tsvector"),
}
SCOPE = Scope({name: operand(name, kind) for name, kind in KINDS.items() if name != "rng"})

# As pg_get_constraintdef prints them, and a word of the reason.
HOSTILE = r"""
email ~ '^a'::text | regular expressions (~)
email ~* '^[a-z]'::text | regular expressions (~*)
email !~ 'x'::text | regular expressions (!~)
email !~* 'x'::text | regular expressions (!~*)
t ~~* 'a%'::text | ILIKE
t !~~* 'a%'::text | ILIKE
t ~ similar_to_escape('a%'::text) | regular expressions
jsonb_typeof(j) = 'object'::text | jsonb_typeof()
j ? 'k'::text | operator ?
j @> '{}'::jsonb | operator @>
(j #>> '{a,b}'::text[]) = 'x'::text | operator #>>
(j -> 'a'::text) IS NOT NULL | operator ->
cardinality(tags) < 5 | cardinality()
array_length(tags, 1) < 5 | array_length()
'x'::text = ANY (tags) | arrays
a = ANY (tags) | arrays
(a # 1) = 0 | operator #
(a & 1) = 0 | operator &
(a | 1) = 0 | operator |
(a ^ 2) > 1 | operator ^
(a << 1) > 1 | operator <<
ROW(a, n) = ROW(1, 2) | ROW()
isfinite(d) | isfinite()
initcap(t) = t | initcap()
md5(t) = t | md5()
date_part('year'::text, d) > (2000)::double precision | date_part()
EXTRACT(year FROM d) > (2000)::numeric | extract()
date_trunc('day'::text, ts) = ts | date_trunc()
age(ts) > '1 day'::interval | age()
to_char(ts, 'YYYY'::text) = '2000'::text | to_char()
ts < now() | time
d <= CURRENT_DATE | time
ts > (now() - '18 years'::interval) | time
(d - d) > 3 | integers
(d + 1) > d | integers
iv > '1 day'::interval | interval
iv = '1 day'::interval | interval
cash > '$1.00'::money | money
t > 'a'::text | collation
(t COLLATE "C") > 'a'::text | collate
(t COLLATE "de-x-icu") = 'a'::text | collate
t < name | collation
m > 'a'::public.mood | order
m = 'a'::public.other | constants
ci = 'a'::public.citext |
ci OPERATOR(public.=) 'a'::public.citext | operator()
length((ci)::text) > (num)::integer | cast
price = (num)::numeric(10,2) | cast
(t)::character varying(3) = 'abc'::text | cast
(t)::integer > 1 | cast
(a)::text > '1'::text | collation
(big)::double precision > (1)::double precision | cast
(f)::numeric > (1)::numeric | cast
(f + (1)::double precision) > (2)::double precision | integers
(price * (2)::numeric) > (3)::numeric | integers
round(price) = price | round()
sqrt(f) > (1)::double precision | sqrt()
power(f, (2)::double precision) > (1)::double precision | power()
ceil(f) = f | ceil()
num > num2 | numerics kept as text
num > 100000000000000000000 | 64 bits
f > '0.12345678901234567'::double precision | digits
f > '1e-30'::double precision | digits
(r)::double precision > '0.1'::double precision | cast
r > '0.1'::double precision | types
d > '0044-03-15 BC'::date | years 1 to 9999
d = ts | types
tz > '2000-01-01 00:00:00-05'::timestamp with time zone | years
tz > ts | types
ch ~~ 'a%'::text | LIKE
t ~~ name | constant pattern
t ~~ 'a%aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa'::text | 50 bytes
t ~~ E'abc\\' | escape
(t ~~ 'a!%'::text ESCAPE '!'::text) | SQL
octet_length((ch)::bytea) > 1 | cast
substr(t, 0, 2) = 'a'::text | before the text
substr(t, a) = 'a'::text | constant
"substring"(t, 'a.c'::text) = 'abc'::text | constant
"overlay"(t, 'x'::text, 1) = t | overlay()
reverse(t) = t | reverse()
lower(t) = 'abc'::text | ASCII
NOT (t = lower(t)) | ASCII
split_part(t, ','::text, 1) = 'a'::text | split_part()
regexp_replace(t, 'a'::text, 'b'::text) = t | regexp_replace()
public.valid(t) | function of the source
pg_catalog.length(t) = 1 | function of the source
addr IS NULL | NULL
(addr).street = 'x'::text | composite
addr = addr | compared
js = js | compared
j = '{}'::jsonb | jsonb
num_nulls(VARIADIC tags) = 1 | variadic
greatest(t, name) = t | integers
GREATEST(d, d) = d | integers
a = $1 | sign $
t = U&'\0061' | U&
t = X'61' | X'
unknown_column > 1 | carried over
t || 1 | text
a > NULL::integer | NULL
EXISTS ( SELECT 1) | exists()
a IN ( SELECT 1) | this form
xmin = xmin | carried over
(a = 1) AND (CASE WHEN (a = 1) THEN 'x'::text ELSE NULL::text END) | boolean
a | boolean
(a = 1); DROP TABLE t | SQL
GROUPING(a) = 1 | grouping()
coalesce(j, '{}'::jsonb) IS NOT NULL | jsonb
"""


def _hostile() -> list[tuple[str, str]]:
    lines = (line.rpartition("|") for line in HOSTILE.strip().splitlines())
    return [(sql.strip(), word.strip()) for sql, _, word in lines]


@pytest.mark.parametrize(("sql", "word"), _hostile())
def test_what_isn_t_the_same_in_d1_isn_t_translated(sql: str, word: str):
    result = check(f"CHECK (({sql}))", SCOPE)

    assert isinstance(result, Untranslated), result
    assert word.lower() in result.reason.lower()


def test_there_are_more_than_sixty_of_them():
    assert len(_hostile()) > 60


@pytest.mark.parametrize(
    ("sql", "kind"),
    [
        ("nextval('s'::regclass)", INT4),
        ("md5('a'::text)", TEXT),
        ("upper('abc'::text)", TEXT),
        ("CURRENT_USER", TEXT),
        ("(CURRENT_DATE + 30)", base("date")),
        ("(now() - '1 day'::interval)", base("timestamptz")),
        ("now()", TEXT),
        ("CURRENT_TIMESTAMP(3)", base("timestamptz")),
        ("(now() AT TIME ZONE 'CET'::text)", base("timestamp")),
        ("'1 day ago'::interval", base("interval")),
        ("'{{1,2},{3,4}}'::integer[]", array(INT4)),
        ("'$1.00'::money", base("money")),
        ("(random() * (10)::double precision)", FLOAT8),
        ("1.005", numeric(10, 2)),
        ("'abcdef'::text", PgType(1, "pg_catalog", "varchar", "", TypeKind.BASE, modifier=7)),
        ("ROW('x'::text)", ADDRESS),
        ("'x'::text", INT4),
        ("currval('s'::regclass)", INT8),
        ("other_column", TEXT),
    ],
)
def test_a_default_that_d1_can_t_give_isn_t_translated(sql: str, kind: PgType):
    result = default(sql, operand("c", kind))

    assert isinstance(result, Untranslated), result
    assert result.reason


def test_a_check_that_postgresql_doesn_t_vouch_for_isn_t_translated():
    for ending in (" NOT VALID", " NOT ENFORCED", " NO INHERIT NOT VALID"):
        assert isinstance(check(f"CHECK ((a > 0)){ending}", SCOPE), Untranslated)

    assert check("CHECK ((a > 0)) NO INHERIT", SCOPE) == Translated('"a" > 0')


def test_a_domain_s_check_is_one_on_its_column():
    assert domain_check("CHECK ((VALUE > 0))", operand("Count", INT4)) == Translated('"Count" > 0')


def test_columns_go_by_their_target_names():
    scope = Scope({"year": operand('the "year"', INT4), "Flag": operand("f", BOOL)})

    assert check('CHECK (((year > 0) AND "Flag"))', scope) == Translated(
        '("the ""year""" > 0) AND "f"'
    )


def test_a_column_may_be_called_as_a_word_of_the_language():
    for name in ("date", "text", "timestamp", "value", "unknown", "zone", "end", "interval", "row"):
        scope = Scope({name: operand(name, TEXT)})
        for spelled in (name, f'"{name}"'):
            result = check(f"CHECK (({spelled} <> ''::text))", scope)
            assert result == Translated(f"\"{name}\" <> ''"), name


def test_a_text_that_isn_t_deterministic_isn_t_compared():
    text = operand("t", TEXT)
    loose = Operand("t", TEXT, text.mapping, deterministic=False)

    assert isinstance(check("CHECK ((t = 'a'::text))", Scope({"t": loose})), Untranslated)
    assert check("CHECK ((t IS NOT NULL))", Scope({"t": loose})) == Translated('"t" IS NOT NULL')


def test_a_text_kept_in_one_case_says_that_d1_knows_only_ascii_s():
    result = check("CHECK ((t = lower(t)))", SCOPE)

    assert result == Translated('lower("t") = "t"', "lower() changes ASCII letters only")


def test_predicates_and_generated_columns_don_t_ask_the_time_or_for_letters_case():
    for sql in ("(ts > now())", "(lower(t) = 'a'::text)", "(d < CURRENT_DATE)"):
        assert isinstance(predicate(sql, SCOPE), Untranslated)
    for sql in ("upper(t)", "(f * f)", "(num + num)", "((price)::numeric * 0.19)", "(a / 2.0)"):
        assert isinstance(generated(sql, SCOPE, operand("x", TEXT)), Untranslated)
    assert isinstance(index_key("now()", SCOPE), Untranslated)
    assert index_key("lower(t)", SCOPE) == Translated(
        '(lower("t"))', "lower() changes ASCII letters only"
    )


@pytest.mark.parametrize(
    ("copied", "kind"),
    [
        (numeric(10, 4), numeric(10, 2)),
        (base("timestamp"), PgType(1114, "pg_catalog", "timestamp", "", TypeKind.BASE, modifier=0)),
        (TEXT, PgType(1043, "pg_catalog", "varchar", "", TypeKind.BASE, modifier=7)),
    ],
)
def test_a_generated_column_that_rounds_or_cuts_what_it_copies_isn_t_translated(
    copied: PgType, kind: PgType
):
    scope = Scope({"p": operand("p", copied)})

    assert isinstance(generated("p", scope, operand("q", kind)), Untranslated)
    assert generated("p", scope, operand("q", copied)) == Translated('"p"')


def test_a_generated_column_that_is_stored_otherwise_than_what_it_copies_isn_t_translated():
    mapping = map_type(base("timestamp"), TypeOptions(timestamps="unixms"))
    assert not isinstance(mapping, Unsupported)
    scope = Scope({"p": operand("p", base("timestamp"))})

    result = generated("p", scope, Operand("q", base("timestamp"), mapping))

    assert isinstance(result, Untranslated)


@pytest.mark.parametrize(
    "sql",
    [
        "WITH x AS (SELECT 1) SELECT * FROM x",
        "SELECT 1 AS one",
        "SELECT t.a FROM public.missing t",
        "SELECT x.a FROM (SELECT 1 AS a) x",
        "SELECT row_number() OVER () AS n FROM public.t",
        "VALUES (1)",
        "EXPLAIN SELECT 1",
        "SHOW ALL",
    ],
)
def test_a_view_that_isn_t_plain_isn_t_translated(sql: str):
    assert isinstance(view(sql, {}), Untranslated)


def test_the_parser_isn_t_loaded_before_it_is_needed_and_keeps_silent(
    caplog: pytest.LogCaptureFixture,
):
    script = "import streamer.translate.expressions, sys; sys.exit('sqlglot' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0

    with caplog.at_level(logging.DEBUG):
        for sql, _ in _hostile():
            check(f"CHECK (({sql}))", SCOPE)
    assert not caplog.records


def test_a_numeric_s_default_is_spelled_as_its_column_spells_numbers():
    kind = numeric(10, 2)
    plain = map_type(kind, TypeOptions(numeric="text"))
    key = map_type(NUMERIC, numeric_text=True, server_version=180_000)
    assert not isinstance(plain, Unsupported)
    assert not isinstance(key, Unsupported)

    assert default("1.5", Operand("c", kind, plain)) == Translated("'1.50'")
    assert default("1.50", Operand("c", NUMERIC, key)) == Translated("'1.5'")
    assert default("1.50", operand("c", NUMERIC)) == Translated("'1.50'")


def test_a_column_that_an_option_stores_otherwise_isn_t_compared():
    kind = base("timestamp")
    mapping = map_type(kind, TypeOptions(timestamps="unixms"))
    assert not isinstance(mapping, Unsupported)
    scope = Scope({"ts": Operand("ts", kind, mapping)})

    for sql in ("(ts > '2000-01-01 00:00:00'::timestamp without time zone)", "(ts = ts)"):
        assert isinstance(check(f"CHECK ({sql})", scope), Untranslated)
    assert isinstance(default("now()", scope.columns["ts"]), Untranslated)


def test_a_uuid_of_16_bytes_is_compared_with_and_made_as_bytes():
    kind = base("uuid")
    mapping = map_type(kind, TypeOptions(uuid="blob"))
    assert not isinstance(mapping, Unsupported)
    column = Operand("u", kind, mapping)
    constant = "'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'::uuid"

    assert check(f"CHECK ((u = {constant}))", Scope({"u": column})) == Translated(
        "\"u\" = x'a0eebc999c0b4ef8bb6d6bb9bd380a11'"
    )
    assert default(constant, column) == Translated("x'a0eebc999c0b4ef8bb6d6bb9bd380a11'")
