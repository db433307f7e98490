"""Findings by kind: few lines, and every finding in one of them."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from streamer.model import Finding, Severity
from streamer.plan.digest import NAMED, in_short, kinds, sentence

_TEXTS = st.text(st.sampled_from("ab1 .,()'\"…:é\n"), max_size=25)
_FINDINGS = st.builds(Finding, st.sampled_from(Severity), _TEXTS, _TEXTS, _TEXTS)


def warning(name: str, what: str, hint: str = "") -> Finding:
    return Finding(Severity.WARNING, name, what, hint)


def checks(*names: str) -> list[Finding]:
    """What is said of CHECK constraints of the table `a` that call functions of their own."""
    return [
        warning(f"public.a.{name}", f"the CHECK {name} (f({name} || ')')) is not translated: f()")
        for name in names
    ]


@given(st.lists(_FINDINGS, max_size=12))
@example([warning("t", "(a"), warning("t", "(b")])
@example([warning("t", ""), warning("t", "(")])
@example([warning("t", "'a"), warning("t", "b'")])
@example([warning("t", "a…"), warning("t", "a")])
def test_every_finding_is_of_one_kind_and_none_comes_twice(findings: list[Finding]) -> None:
    found = kinds(findings)

    assert sorted(map(repr, findings)) == sorted(repr(f) for kind in found for f in kind.findings)
    assert [kind.findings[0] for kind in found] == sorted(
        (kind.findings[0] for kind in found), key=findings.index
    )
    assert all(len({f.severity for f in kind.findings}) == 1 for kind in found)


@given(_FINDINGS)
def test_a_finding_that_is_the_only_one_of_its_kind_is_told_as_it_is(finding: Finding) -> None:
    assert [*in_short([finding])] == [sentence(finding)]


@given(st.lists(_TEXTS, min_size=1, max_size=5), _TEXTS, _TEXTS)
def test_what_is_said_of_all_objects_alike_is_told_as_it_is(
    names: list[str], what: str, hint: str
) -> None:
    told = kinds(warning(f"t{n}", what, hint) for n, _ in enumerate(names))

    assert [(kind.what, kind.hint) for kind in told] == [(what, hint)]


def test_what_differs_is_left_out_and_what_is_the_same_stays():
    (kind,) = kinds(checks("x_ok", "y_ok"))

    assert kind.what == "the CHECK … is not translated: f()"


def test_figures_differ_within_a_kind_and_the_others_stay():
    said = "integers beyond 2^53 in {} of the 1,000,000 rows"

    (kind,) = kinds(warning(f"public.t.c{n}", said.format(n)) for n in (7, 1_234))

    assert kind.what == "integers beyond 2^53 in … of the 1,000,000 rows"


def test_different_reasons_are_different_kinds():
    said = [
        warning("public.t.a", "the index is left out: D1 has no gin indexes"),
        warning("public.t.b", "the index is left out: D1 has no gist indexes"),
        warning("public.t.c", "the index is left out: D1 has no gin indexes", "an option"),
    ]

    assert len(kinds(said)) == 3


def test_an_apostrophe_in_a_sentence_is_no_quotation_mark():
    said = [warning(f"public.t.{n}", f"{n} isn't D1's, it's PostgreSQL's") for n in ("a", "b")]

    assert [kind.what for kind in kinds(said)] == ["… isn't D1's, it's PostgreSQL's"]


def test_a_definition_is_one_detail_whatever_its_parentheses():
    said = [
        warning("public.t.a", "the default nextval('public.a'::regclass) isn't kept ((x) + 1)"),
        warning("public.t.b", "the default nextval('public.b)'::regclass) isn't kept (')')"),
    ]

    assert [kind.what for kind in kinds(said)] == ["the default nextval(…) isn't kept (…)"]


def test_a_line_names_the_first_objects_and_counts_the_others():
    names = [f"c{n}" for n in range(1, 1_240)]

    (line,) = in_short(checks(*names))

    assert line == (
        "1,239 objects (public.a.c1, public.a.c2, public.a.c3 and 1,236 more):"
        " the CHECK … is not translated: f()"
    )


def test_where_few_objects_are_of_a_kind_all_are_named():
    (line,) = in_short(checks(*"abc"[:NAMED]))

    assert line.startswith("3 objects (public.a.a, public.a.b, public.a.c): ")
