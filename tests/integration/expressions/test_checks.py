"""A translated CHECK takes and refuses the same rows in D1 as in PostgreSQL."""

from __future__ import annotations

import pytest

from streamer.translate.expressions import Untranslated, check
from tests.engines.d1target import fresh
from tests.engines.expression_trial import (
    CHECK_OF,
    accepted,
    accepted_by_d1,
    prepare,
    printed,
    typed,
)
from tests.engines.postgres import Database
from tests.engines.workerd import Workerd

pytestmark = pytest.mark.postgres

CHECKS = r"""
a > 0
a >= 0 AND a <= 100
a BETWEEN 1 AND 100
a NOT BETWEEN 1 AND 100
a <> 0 OR b IS NULL
NOT (a < b)
a = b
a IN (1, 2, 3)
a NOT IN (1, 2, 3)
a IN (1, b)
a IN (1, NULL)
a NOT IN (1, NULL)
a = ANY ('{1,2,NULL}'::int[])
a <> ALL ('{1,2}'::int[])
s = ANY (ARRAY[1, 2])
a + b > 0
a - b < 10
a * b >= 0
a + 1 > b
a + b - 1 > 0
-a < 5
abs(a) <= 7
abs(a - b) < 10
a % 2 = 0
a % b = 1
a / 2 = 1
a / b >= 1
mod(a, 3) = 1
big + big2 > 0
big * 2 > 0
big - 1 < big2
-big < 0
abs(big) > 1
big / big2 = 1
big % 7 = 0
s + s > 0
s * s > 5
(s + 1)::smallint > 0
a::smallint > 0
big::int > 0
big > a
s < a
a::bigint * a > 0
a IS DISTINCT FROM b
a IS NOT DISTINCT FROM b
a IS NULL
a IS NOT NULL
a IS NULL OR b IS NOT NULL
(a IS NULL) = (b IS NULL)
(a > 0) <> (b > 0)
num_nonnulls(a, b) = 1
num_nulls(a, t) >= 1
num_nonnulls(j, tags) = 1
coalesce(a, b, 0) > 0
nullif(a, b) > 0
greatest(a, b) > 0
least(a, b, 5) < 0
greatest(a, b) = a
CASE WHEN a > 0 THEN b > 0 ELSE b < 0 END
CASE a WHEN 1 THEN 'one' WHEN 2 THEN 'two' END = 'one'
CASE WHEN a > 0 THEN b ELSE a END > 1
a > 0 OR a + b > 5
flag
NOT flag
flag = true
flag <> flag2
flag AND flag2
flag IS TRUE
flag IS NOT TRUE
flag IS FALSE
flag IS NOT FALSE
flag IS UNKNOWN
flag IS NOT UNKNOWN
(a > 0) IS TRUE
(a > b) IS NOT UNKNOWN
flag > flag2
flag::int + a > 0
flag OR a > 0
price > 0
price >= 0
price < 0
price <= 100
price = 1.5
price <> 1.50
price BETWEEN 0 AND 99999999.99
price < 'NaN'
price <> 'NaN'
price > cost
price = cost
price > a
price IN (0, 1.5, 3)
price IS NOT NULL AND price > 0.005
whole > 0
whole = 5
whole < a
a > 0.5
big > 0.5
num > 0
num >= 0
num < 0
num <= 0
num = 0
num <> 0
num = 1.5
num > 1.5
num >= 1.5
num < 1.5
num <= 1.5
num > -1.5
num >= -1.5
num < -1.5
num <= -1.5
num > 1
num >= 1
num < -1
num <= 10
num > 0.001
num < -0.001
num BETWEEN 0 AND 100
num IN (0, 1.5, 10)
0 < num
num = num2
num IS DISTINCT FROM num2
num <> 'NaN'
num = 'Infinity'
wide > 0
wide >= 1.5
wide = 1.5
f > 0
f >= 0
f < 0
f <= 0.5
f = 0
f = 0.1
f <> 'NaN'
f < 'Infinity'
f > '-Infinity'
f = '-Infinity'
f <= 'NaN'
f < g
f >= g
f = g
f BETWEEN -1 AND 1
f > a
f > price
f IS DISTINCT FROM g
f IN (0, 0.5)
r > 0
r = 0.1::real
r < 0.5
r <> 'NaN'
t <> ''
t = 'abc'
t = u
t IN ('a', 'Abc', 'it''s')
t NOT IN ('a', 'É')
t = ANY ('{a,"it''s",007}'::text[])
t IS DISTINCT FROM u
length(t) > 2
length(t) = 1
char_length(t) <= 3
character_length(vc) = 3
octet_length(t) > 3
bit_length(t) = 8
btrim(t) <> ''
ltrim(t) = t
rtrim(t) = 'abc'
trim(t) = 'abc'
trim(both 'x' from t) = 'a'
trim(leading 'xa' from t) = ''
btrim(t, 'abc ') = ''
length(trim(t)) > 0
t LIKE 'A%'
t NOT LIKE 'a%'
t LIKE '%c'
t LIKE '%b%'
t LIKE 'a_c'
t LIKE 'a\_c'
t LIKE 'a\%c'
t LIKE 'a\\c'
t LIKE '%*%'
t LIKE '%?%'
t LIKE '[%'
t LIKE '%]'
t LIKE ''
t LIKE '%'
t LIKE '_'
t LIKE 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa%'
t LIKE '%aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa'
t NOT LIKE '%aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa%'
vc LIKE 'A%'
substr(t, 1, 1) = 'A'
substring(t from 2 for 2) = 'bc'
substr(t, 2) = ''
substring(t, 3, 0) = ''
left(t, 2) = 'ab'
left(t, 0) = ''
left(t, -1) = 'ab'
left(t, -100) = ''
right(t, 2) = 'bc'
right(t, 0) = ''
right(t, -1) = 'bc'
right(t, -100) = ''
right(t, 100) = t
starts_with(t, 'ab')
starts_with(t, '')
starts_with(t, u)
strpos(t, 'b') > 0
position('b' in t) = 2
position('' in t) = 1
strpos(t, u) > 0
replace(t, 'a', 'b') = 'b'
replace(t, '', 'x') = t
t || u = 'abc'
t || 'x' <> 'x'
t || a::text = 'a1'
t || flag::text = 'atrue'
coalesce(t, 'x') = 'x'
nullif(t, '') IS NULL
concat(t, u) = 'abc'
a::text = '1'
t = 'É' OR t = 'é'
vc = 'abc'
vc IN ('a', 'abc')
vc = ANY (ARRAY['a', 'b']::text[])
cc > 'B'
cc <= 'é'
cc BETWEEN 'a' AND 'b'
cc < cc2
substr(cc, 1, 1) >= 'a'
ch = 'ab'
ch = 'ab   '
ch <> ''
ch IN ('ab', ' ab')
length(ch) = 2
ch::text = 'ab'
nm = 'a'
nm < 'a'
c1 = 'a'
by = '\x00ff'
by <> ''
by > '\x00'
length(by) = 1
octet_length(by) > 1
uid = 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'
uid > '00000000-0000-0000-0000-000000000000'
uid IN ('a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11')
d > '2000-01-01'
d >= '0001-01-01'
d < '9999-12-31'
d = '2000-01-01'
d <> '2000-01-01'
d BETWEEN '1999-12-31' AND '2000-01-01'
d < 'infinity'
d > '-infinity'
d <= 'infinity'
d = 'infinity'
d > d2
d >= d2
d = d2
d IN ('2000-01-01', '1999-12-31')
d IS NULL OR d2 IS NULL OR d <= d2
ts > '2000-01-01'
ts <= '2000-01-01 00:00:00.5'
ts < ts2
ts >= ts2
ts = ts2
tz >= '2000-01-01 00:00:00+00'
tz < tz2
tz <> 'infinity'
tm >= '12:30'
tm < '24:00'
tm = '12:30:00.5'
m = 'ok'
m IN ('ok', 'it''s')
m <> 'sad'
m = m2
m::text = 'ok'
m::text LIKE 'o%'
bits = B'0101'
bits <> B'0000'
j IS NOT NULL
tags IS NULL
pos > 1
pos < a
"""


async def test_a_translated_check_takes_the_same_rows(database: Database, workerd_d1: Workerd):
    trial = await prepare(database, fresh(workerd_d1))
    different: list[str] = []

    for number, expression in enumerate(CHECKS.strip().splitlines()):
        names, table = trial.names(expression), f"c{number}"
        await trial.postgres.execute(
            f"CREATE TABLE {table} (id int{typed(names)}, CHECK ({expression}))"
        )
        definition = await printed(trial, CHECK_OF, table)
        result = check(definition, trial.scope)
        if isinstance(result, Untranslated):
            different.append(f"{definition}: {result.reason}")
            continue
        trial.d1.run(
            f"CREATE TABLE {table} (id INTEGER{trial.declared(names)}, CHECK ({result.sql}))"
        )
        columns, source = ", ".join(["id", *names]), trial.source(names)
        theirs = await accepted(trial, table, columns, source)
        ours = accepted_by_d1(trial, table, columns, source)
        if theirs != ours:
            rows = sorted(set(theirs) ^ set(ours))
            different.append(f"{definition} → {result.sql}: {len(rows)} rows, such as {rows[:4]}")

    await trial.postgres.close()
    assert not different, "\n".join(different)
