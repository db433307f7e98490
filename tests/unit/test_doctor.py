from dataclasses import replace
from pathlib import Path

import pytest

from streamer.config import Selection
from streamer.doctor import (
    End,
    FileFacts,
    Line,
    TargetFacts,
    Verdict,
    of_error,
    of_plan,
    of_source,
    of_target,
)
from streamer.errors import SourceError
from streamer.model import TableKind
from streamer.plan import make_plan
from streamer.postgres.checkup import Checkup
from streamer.run.survey import FoundTable, Survey
from tests.engines.catalogs import catalog, column, identified, plan_of, table

HEALTHY = Checkup(
    where="db.example.com:5432",
    local=False,
    version="18.1",
    role="reader",
    tls="TLSv1.3",
    tls_warning="",
    pooled=False,
    feedback=False,
    statement_timeout_s=0,
    idle_timeout_s=0,
    hidden=(),
    catalog=catalog(table("a"), table("b")),
)
TABLES = ("public.a", "public.b")
FACTS = TargetFacts(id="0dd1", name="shop")


def about(lines: list[Line], what: str) -> Line:
    (found,) = [line for line in lines if line.about == what]
    return found


def found_table(name: str, *, rows: bool) -> FoundTable:
    return FoundTable(name, is_view=False, columns={}, key=(), holds_rows=rows)


def test_a_healthy_source_is_ok_in_every_line() -> None:
    assert {line.verdict for line in of_source(HEALTHY, TABLES)} == {Verdict.OK}


@pytest.mark.parametrize(
    ("seen", "what", "verdict", "words"),
    [
        (replace(HEALTHY, tls=""), "encryption", Verdict.WARNING, "verify-full"),
        (replace(HEALTHY, tls="", local=True), "encryption", Verdict.OK, ""),
        (replace(HEALTHY, tls_warning="risky"), "encryption", Verdict.WARNING, ""),
        (replace(HEALTHY, pooled=True), "pooler", Verdict.WARNING, "rolling"),
        (replace(HEALTHY, statement_timeout_s=5), "timeouts", Verdict.WARNING, "ALTER ROLE"),
        (replace(HEALTHY, statement_timeout_s=600), "timeouts", Verdict.OK, ""),
        (replace(HEALTHY, hidden=("public.a",)), "row security", Verdict.PROBLEM, "BYPASSRLS"),
        (
            replace(HEALTHY, catalog=catalog(version=110_022)),
            "version",
            Verdict.PROBLEM,
            "newer copy",
        ),
        (replace(HEALTHY, catalog=catalog(version=120_000)), "version", Verdict.OK, ""),
        (replace(HEALTHY, catalog=catalog(version=190_000)), "version", Verdict.WARNING, "compare"),
        (
            replace(HEALTHY, catalog=catalog(encoding="SQL_ASCII")),
            "encoding",
            Verdict.WARNING,
            "UTF-8",
        ),
        (replace(HEALTHY, catalog=catalog(encoding="LATIN1")), "encoding", Verdict.OK, ""),
    ],
)
def test_what_may_get_in_a_run_s_way_is_said_with_what_to_do(
    seen: Checkup, what: str, verdict: Verdict, words: str
) -> None:
    line = about(of_source(seen, TABLES), what)

    assert line.verdict is verdict
    assert words in line.hint


@pytest.mark.parametrize(("feedback", "verdict"), [(True, Verdict.OK), (False, Verdict.WARNING)])
def test_a_standby_needs_feedback_for_one_moment_of_all_tables(
    *, feedback: bool, verdict: Verdict
) -> None:
    read = HEALTHY.catalog
    standby = replace(read, source=replace(read.source, is_standby=True))

    lines = of_source(replace(HEALTHY, catalog=standby, feedback=feedback), TABLES)

    assert about(lines, "standby").verdict is verdict


def test_tables_that_may_not_be_read_come_with_the_grants_that_are_missing() -> None:
    closed = catalog(table("a"), table('odd"name', readable=False))

    line = about(
        of_source(replace(HEALTHY, catalog=closed), ("public.a", 'public.odd"name')), "permission"
    )

    assert line.verdict is Verdict.PROBLEM
    assert line.hint == 'GRANT SELECT ON "public"."odd""name" TO "reader";'


def test_tables_that_would_not_move_are_not_complained_about() -> None:
    closed = catalog(table("a"), table("b", readable=False))

    lines = of_source(replace(HEALTHY, catalog=closed, hidden=("public.b",)), ("public.a",))

    assert {line.verdict for line in lines} == {Verdict.OK}


def test_nothing_to_move_is_a_problem() -> None:
    (line,) = of_plan(make_plan(catalog(), Selection()))

    assert line.verdict is Verdict.PROBLEM


def test_what_can_not_be_moved_is_named() -> None:
    lines = of_plan(plan_of(identified("a"), identified("_cf_b")))

    assert lines[0].found == "1 to move, about 100 rows"
    assert any(line.verdict is Verdict.PROBLEM and "_cf_b" in line.found for line in lines)


def test_an_empty_target_is_ok_in_every_line() -> None:
    facts = replace(FACTS, replicated=False)

    lines = of_target(facts, Survey(), plan_of(identified("a")))

    assert {line.verdict for line in lines} == {Verdict.OK}
    assert about(lines, "contents").found == "empty"


def test_a_view_that_may_not_be_read_is_in_nobodys_way() -> None:
    closed = catalog(table("a"), replace(table("v", readable=False), kind=TableKind.VIEW))

    line = about(
        of_source(replace(HEALTHY, catalog=closed), ("public.a", "public.v")), "permission"
    )

    assert (line.verdict, line.found) == (Verdict.OK, "SELECT on all tables to move (1)")


def test_what_the_token_may_write_is_not_claimed() -> None:
    line = about(of_target(FACTS, Survey(), None), "permission")

    assert "first write" in line.found


def test_tables_with_rows_are_a_warning_only_where_a_run_would_fill_them() -> None:
    plan = plan_of(identified("a", column("x")))
    mine = Survey(tables={"a": found_table("A", rows=True)})
    other = Survey(tables={"z": found_table("z", rows=True)})

    assert about(of_target(FACTS, mine, plan), "contents").verdict is Verdict.WARNING
    assert about(of_target(FACTS, other, plan), "contents").verdict is Verdict.OK


@pytest.mark.parametrize(
    ("now", "more", "verdict"),
    [
        (1_000_000, 1_000_000, Verdict.OK),
        (5_000_000_000, 4_000_000_000, Verdict.WARNING),
        (5_000_000_000, 5_000_000_001, Verdict.PROBLEM),
    ],
)
def test_fault_31_a_database_that_would_grow_too_big_is_seen_before(
    now: int, more: int, verdict: Verdict
) -> None:
    plan = replace(plan_of(identified("a")), size_bytes=more)

    assert about(of_target(FACTS, Survey(size_bytes=now), plan), "size").verdict is verdict


def test_what_an_unfinished_run_left_is_pointed_out() -> None:
    name = "_streamer_ledger"
    left = Survey(tables={name: found_table(name, rows=True)})

    line = about(of_target(FACTS, left, None), "unfinished run")

    assert line.verdict is Verdict.WARNING
    assert "--resume" in line.hint


def test_what_a_killed_probe_left_is_no_unfinished_run() -> None:
    name = "_streamer_tune_0123456789ab"
    left = of_target(FACTS, Survey(tables={name: found_table(name, rows=True)}), None)

    assert "streamer tune" in about(left, "scratch table").hint
    assert not [line for line in left if line.about == "unfinished run"]


def test_read_replication_is_a_warning_and_what_nobody_knows_is_not_claimed() -> None:
    on = of_target(replace(FACTS, replicated=True), Survey(), None)
    unknown = of_target(FACTS, Survey(), None)

    assert about(on, "read replication").verdict is Verdict.WARNING
    assert not [line for line in unknown if line.about == "read replication"]


def test_an_end_that_can_not_be_reached_keeps_its_own_advice() -> None:
    line = of_error(End.SOURCE, SourceError("Nothing listens at h:1.", hint="Check the port."))

    assert line == Line(
        End.SOURCE, "connection", Verdict.PROBLEM, "Nothing listens at h:1.", "Check the port."
    )


def test_of_a_file_the_place_and_the_room_on_its_disk_are_told_and_no_token() -> None:
    facts = FileFacts(Path("shop.db"), exists=False, room=10**9)
    lines = of_target(facts, Survey(), None)

    assert {line.about for line in lines} == {"file", "size", "contents", "room"}
    assert about(lines, "file").found == "shop.db: isn't there yet; a run makes it"
    assert {line.verdict for line in lines} == {Verdict.OK}


def test_a_disk_with_too_little_room_is_a_problem() -> None:
    plan = replace(plan_of(table("a")), size_bytes=2_000)
    facts = FileFacts(Path("shop.db"), exists=True, room=1_999)

    line = about(of_target(facts, Survey(), plan), "room")

    assert line.verdict is Verdict.PROBLEM
    assert line.hint
