"""Whether a checkpoint's run may go on: what must be the same, what may have changed."""

from __future__ import annotations

from dataclasses import replace

import orjson
import pytest

from streamer.config import TargetSettings
from streamer.errors import SourceChangedError, UsageError
from streamer.model import KeyKind, Secret, SourceIdentity, Storage, Table, TablePlan
from streamer.model.target import TargetIdentity, TargetKind
from streamer.run.identity import (
    GoOn,
    check_files,
    check_settings,
    check_source,
    check_table,
    check_target,
    comparable_key,
    same_target,
    source_facts,
    table_facts,
    target_facts,
)
from tests.engines.catalogs import (
    BPCHAR,
    BYTEA,
    FLOAT8,
    INT4,
    INT8,
    NUMERIC,
    TEXT,
    base,
    column,
    identified,
    plan_of,
    primary,
    table,
)

SOURCE = SourceIdentity("7123", 3, "shop", 180_001)
KEYED = table(
    "sale",
    column("code", TEXT, not_null=True, collation_version="2.36"),
    column("n", INT4),
    indexes=[primary("code")],
)
KEYLESS = table("log", column("line", TEXT))


def plan(made: Table) -> TablePlan:
    (found,) = plan_of(made).tables
    return found


def remembered(facts):
    """The facts as a checkpoint gives them back."""
    return orjson.loads(orjson.dumps(facts))


THEN = remembered(table_facts(plan(KEYED)))


def changed(**columns) -> Table:
    """KEYED, with other columns behind its key."""
    others = [column(name, kind) for name, kind in columns.items()]
    return replace(KEYED, columns=(KEYED.columns[0], *others))


def test_the_same_source_may_go_on_without_a_word() -> None:
    assert check_source(SOURCE, remembered(source_facts(SOURCE))) == ""


@pytest.mark.parametrize(
    ("other", "words"),
    [
        (replace(SOURCE, system_identifier="9"), "cluster 7123, not 9"),
        (replace(SOURCE, database="bar"), "database shop, not bar"),
    ],
)
def test_another_cluster_or_database_is_another_source(other: SourceIdentity, words: str) -> None:
    with pytest.raises(UsageError, match=words) as caught:
        check_source(other, remembered(source_facts(SOURCE)))

    assert "--restart" in caught.value.hint


@pytest.mark.parametrize(("now", "words"), [("", "import of files"), ("b" * 64, "began with")])
def test_other_files_or_none_are_not_gone_on_with(now: str, words: str) -> None:
    then = remembered(source_facts(replace(SOURCE, files="a" * 64)))

    check_files("a" * 64, then)
    with pytest.raises(UsageError, match=words):
        check_files(now, then)


def test_a_promoted_standby_goes_on_with_a_warning_and_a_new_version_without_one() -> None:
    then = remembered(source_facts(SOURCE))

    assert "timeline 3 to 4" in check_source(replace(SOURCE, timeline=4), then)
    assert check_source(replace(SOURCE, server_version=190_000), then) == ""


SHOP = TargetIdentity(TargetKind.D1, "id-1", "acc", "shop")
FILE = TargetIdentity(TargetKind.SQLITE, "sqlite:/shop.db")


def test_another_account_or_database_is_another_target() -> None:
    then = remembered(target_facts(SHOP))

    check_target(SHOP, then)
    with pytest.raises(UsageError, match="id-1 of account acc, not database id-2 of account acc"):
        check_target(replace(SHOP, database="id-2"), then)
    with pytest.raises(UsageError, match="not database id-1 of account other"):
        check_target(replace(SHOP, account="other"), then)
    assert same_target(replace(SHOP, name="renamed"), then)
    assert not same_target(replace(SHOP, database="id-2"), then)
    assert not same_target(SHOP, None)


def test_another_file_is_another_target_and_so_is_a_database() -> None:
    then = remembered(target_facts(FILE))

    check_target(FILE, then)
    with pytest.raises(UsageError, match=r"sqlite:/shop\.db, not sqlite:/other\.db"):
        check_target(replace(FILE, database="sqlite:/other.db"), then)
    with pytest.raises(UsageError, match=r"sqlite:/shop\.db, not database id-1 of account acc"):
        check_target(SHOP, then)
    assert then == {"kind": "sqlite", "database": "sqlite:/shop.db"}


FINISHED = {
    "source": source_facts(SOURCE),
    "target": target_facts(SHOP),
}


@pytest.mark.parametrize("database", ["id-1", "shop"])
@pytest.mark.parametrize("source", ["shop", None])
def test_a_finished_run_is_known_by_its_settings(source: str | None, database: str) -> None:
    check_settings(source, TargetSettings("acc", database, Secret("x")), FINISHED)


@pytest.mark.parametrize(
    ("source", "account", "database", "words"),
    [
        ("bar", "acc", "id-1", "another source: database shop, not bar"),
        ("shop", "acc", "other", "another target"),
        ("shop", "other", "id-1", "another target"),
        ("shop", "other", "shop", "another target"),
    ],
)
def test_settings_of_another_job_do_not_pass_for_a_finished_run(
    source: str, account: str, database: str, words: str
) -> None:
    with pytest.raises(UsageError, match=words):
        check_settings(source, TargetSettings(account, database, Secret("x")), FINISHED)


@pytest.mark.parametrize(("done", "now"), [(SHOP, FILE), (FILE, TargetSettings("acc", "shop", Secret("x")))])  # fmt: skip
def test_a_finished_run_into_a_file_is_not_one_into_d1(
    done: TargetIdentity, now: TargetIdentity | TargetSettings
) -> None:
    finished = {**FINISHED, "target": target_facts(done)}

    with pytest.raises(UsageError, match="another target"):
        check_settings("shop", now, finished)


def test_a_table_that_did_not_change_goes_on_as_it_was() -> None:
    verdict = check_table(plan(KEYED), THEN)

    assert (verdict.go_on, verdict.warning) == (GoOn.AS_IT_WAS, "")


def test_more_rows_and_another_estimate_change_nothing() -> None:
    assert check_table(plan(replace(KEYED, rows=9_999_999, bytes=10**9)), THEN).warning == ""


@pytest.mark.parametrize(
    ("now", "words"),
    [
        (changed(), "column n is gone"),
        (changed(n=INT4, m=TEXT), "column m is new"),
        (changed(n=INT8), "column n was integer, is bigint"),
        (changed(m=INT4), "column n is gone, column m is new"),
        (
            replace(
                KEYED,
                columns=(KEYED.columns[0], column("n", INT4, not_null=True)),
                indexes=(primary("code", "n"),),
            ),
            "another key",
        ),
        (
            replace(KEYED, columns=(KEYED.columns[0], column("n", INT4, not_null=True))),
            "constraints or the way it is stored differ",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_changed_definition_stops_the_run_and_says_what_changed(now: Table, words: str) -> None:
    with pytest.raises(SourceChangedError, match=words) as caught:
        check_table(plan(now), THEN)

    assert "public.sale" in caught.value.what


def test_a_table_made_anew_starts_over_and_says_that_old_rows_may_stay() -> None:
    verdict = check_table(plan(replace(KEYED, oid=KEYED.oid + 1)), THEN)

    assert verdict.go_on is GoOn.FROM_THE_START
    assert "made anew" in verdict.warning


def test_a_new_collation_version_of_the_key_starts_the_table_over() -> None:
    code = replace(KEYED.columns[0], collation_version="2.39")

    verdict = check_table(plan(replace(KEYED, columns=(code, KEYED.columns[1]))), THEN)

    assert verdict.go_on is GoOn.FROM_THE_START
    assert "collation" in verdict.warning


def test_a_collation_of_another_column_orders_nothing() -> None:
    text = replace(KEYED, columns=(KEYED.columns[0], column("n", TEXT, collation_version="1")))
    then = remembered(table_facts(plan(text)))
    newer = replace(KEYED, columns=(KEYED.columns[0], column("n", TEXT, collation_version="2")))

    assert check_table(plan(newer), then).warning == ""


def test_a_rewritten_table_goes_on_behind_its_key_and_starts_over_without_one() -> None:
    keyed = check_table(plan(replace(KEYED, relfilenode=9)), THEN)
    keyless = check_table(
        plan(replace(KEYLESS, relfilenode=9)), remembered(table_facts(plan(KEYLESS)))
    )

    assert keyed.go_on is GoOn.AS_IT_WAS
    assert "rewritten" in keyed.warning
    assert keyless.go_on is GoOn.FROM_THE_START
    assert "no key" in keyless.warning


@pytest.mark.parametrize(
    ("kind", "comparable"),
    [
        (INT4, True),
        (TEXT, True),
        (NUMERIC, True),
        (BPCHAR, True),
        (BYTEA, False),
        (FLOAT8, False),
        (base("timestamptz", "timestamp with time zone"), False),
    ],
    ids=lambda value: getattr(value, "name", value),
)
def test_a_key_is_looked_up_only_where_its_text_is_what_d1_stores(kind, comparable) -> None:
    made = table("t", column("k", kind, not_null=True), indexes=[primary("k")])

    assert comparable_key(plan(made)) is comparable


def test_a_row_number_can_be_looked_up() -> None:
    assert plan(KEYLESS).key.kind is KeyKind.PHYSICAL
    assert comparable_key(plan(KEYLESS))
    assert plan(identified("t")).columns[0].storage is Storage.INTEGER
