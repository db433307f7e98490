"""Judges both ends before a run: what works, what deserves a look, what will fail (pure)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import StrEnum
from pathlib import Path

from streamer import limits
from streamer.errors import StreamerError
from streamer.frozen import frozen
from streamer.model import Plan, TableKind
from streamer.model.sql import quote_identifier
from streamer.model.words import counted
from streamer.plan import estimated_rows
from streamer.postgres.checkup import Checkup
from streamer.progress.wording import size
from streamer.run.survey import OURS, Survey

OLDEST, NEWEST = 12, 18  # majors of PostgreSQL that are supported
KEYLESS_SINCE = 14  # from here on a table without a key is read in parts
TIGHT_S = 60.0  # a statement_timeout below this cuts cursors short all the time
NAMED = 5  # tables of a list that are named; the others are counted
NEARLY_FULL = 0.8
_READ = frozenset({TableKind.TABLE, TableKind.PARTITIONED})


class End(StrEnum):
    """Which end a line is about."""

    SOURCE = "source"
    TARGET = "target"


class Verdict(StrEnum):
    """OK: nothing to do. WARNING: a run works, but read this. PROBLEM: a run will fail."""

    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"


@frozen
class Line:
    """One thing looked at: what was found, and what to do about it ('' for nothing)."""

    end: End
    about: str
    verdict: Verdict
    found: str
    hint: str = ""


@frozen
class TargetFacts:
    """What the API tells of a database beside its contents; `name` is '' where it doesn't."""

    id: str
    name: str = ""
    replicated: bool | None = None


@frozen
class FileFacts:
    """What there is to know of a file as a target, beside its contents; `room` is in bytes."""

    path: Path
    exists: bool
    room: int


def of_error(end: End, error: StreamerError) -> Line:
    """What kept us from looking any further at an end."""
    return Line(end, "connection", Verdict.PROBLEM, error.what, error.hint)


def of_source(seen: Checkup, chosen: Sequence[str]) -> list[Line]:
    """What is to be said of the source, of which the tables `chosen` (schema.table) would move."""
    identity = seen.catalog.source
    lines = [
        _source(
            "connection",
            Verdict.OK,
            f'PostgreSQL {seen.version} at {seen.where}, database "{identity.database}",'
            f' user "{seen.role}"',
        ),
        _encryption(seen),
        _version(identity.server_version // 10_000),
        _permission(seen, chosen),
        _row_security(seen, chosen),
        _encoding(identity.encoding),
        _standby(seen),
        _pooler(seen),
        _timeouts(seen),
    ]
    return [line for line in lines if line is not None]


def of_plan(plan: Plan) -> list[Line]:
    """What is to be said of moving these tables at all."""
    rows = sum(estimated_rows(table.table, table.columns) for table in plan.tables)
    if not plan.tables and not plan.refusals:
        return [
            _source(
                "tables",
                Verdict.PROBLEM,
                "no table to move",
                "Check POSTGRES_DB, --schema and --table",
            )
        ]
    lines = [
        _source("tables", Verdict.OK, f"{len(plan.tables)} to move, about {counted(rows, 'row')}")
    ]
    if plan.refusals:
        lines.append(
            _source(
                "types",
                Verdict.PROBLEM,
                f"{len(plan.refusals)} can't be moved: {_some(f.object for f in plan.refusals)}",
                "See streamer plan; exclude them, or run with --skip-refused",
            )
        )
    if plan.warnings:
        lines.append(
            _source(
                "types",
                Verdict.WARNING,
                f"not carried over exactly as they are: {len(plan.warnings):,}",
                "See streamer plan",
            )
        )
    return lines


def of_target(facts: TargetFacts | FileFacts, survey: Survey, plan: Plan | None) -> list[Line]:
    """What is to be said of the target, into which `plan` (None: not known) would be moved."""
    match facts:
        case TargetFacts():
            about, last = _database(facts), _replication(facts.replicated)
        case FileFacts():
            about, last = _file(facts), _room(facts.room, plan)
    lines = [*about, _size(survey, plan), _contents(survey, plan), _leftovers(survey), last]
    return [line for line in lines if line is not None]


def _database(facts: TargetFacts) -> list[Line]:
    named = f'"{facts.name}" ({facts.id})' if facts.name else facts.id
    return [
        _target("connection", Verdict.OK, f"the token works, D1 database {named} answers"),
        _target(
            "permission",
            Verdict.OK,
            "the token may query it; whether it may also write (permission D1 Edit) shows only"
            " at the first write, which this command leaves out",
        ),
    ]


def _file(facts: FileFacts) -> list[Line]:
    found = "a SQLite file" if facts.exists else "isn't there yet; a run makes it"
    return [_target("file", Verdict.OK, f"{facts.path}: {found}")]


def _source(about: str, verdict: Verdict, found: str, hint: str = "") -> Line:
    return Line(End.SOURCE, about, verdict, found, hint)


def _target(about: str, verdict: Verdict, found: str, hint: str = "") -> Line:
    return Line(End.TARGET, about, verdict, found, hint)


def _some(names: Iterable[str]) -> str:
    every = list(names)
    rest = len(every) - NAMED
    return ", ".join(every[:NAMED]) + (f" and {rest:,} more" if rest > 0 else "")


def _encryption(seen: Checkup) -> Line:
    if seen.tls_warning:
        return _source("encryption", Verdict.WARNING, seen.tls_warning)
    if seen.tls:
        return _source("encryption", Verdict.OK, f"{seen.tls}")
    if seen.local:
        return _source("encryption", Verdict.OK, "none needed, nothing leaves this machine")
    return _source(
        "encryption",
        Verdict.WARNING,
        "the server doesn't see this connection as encrypted",
        "Write POSTGRES_SSLMODE=verify-full, unless a pooler in between ends the encryption",
    )


def _version(major: int) -> Line:
    if major < OLDEST:
        return _source(
            "version",
            Verdict.PROBLEM,
            f"PostgreSQL {major} is older than {OLDEST}, the oldest supported",
            "Upgrade it, or move from a newer copy of it",
        )
    if major > NEWEST:
        return _source(
            "version",
            Verdict.WARNING,
            f"PostgreSQL {major} is newer than {NEWEST}, the newest that was tested",
            "Look for a newer streamer, and compare every row afterwards",
        )
    if major < KEYLESS_SINCE:
        return _source(
            "version",
            Verdict.OK,
            f"{major}; before {KEYLESS_SINCE}, a table without a key is read in one go",
        )
    return _source("version", Verdict.OK, str(major))


def _permission(seen: Checkup, chosen: Sequence[str]) -> Line:
    # Views and their like are selected too, but no row is read through them unless that is asked for.
    wanted = {str(t.name) for t in seen.catalog.tables if t.kind in _READ} & {*chosen}
    closed = [t.name for t in seen.catalog.tables if str(t.name) in wanted and not t.readable]
    if not closed:
        found = f"SELECT on all tables to move ({len(wanted):,})"
        return _source("permission", Verdict.OK, found)
    grants = [
        f"GRANT SELECT ON {quote_identifier(name.schema)}.{quote_identifier(name.name)}"
        f" TO {quote_identifier(seen.role)};"
        for name in closed[:NAMED]
    ]
    return _source(
        "permission",
        Verdict.PROBLEM,
        f'"{seen.role}" may not read {_some(str(name) for name in closed)}',
        " ".join(grants),
    )


def _row_security(seen: Checkup, chosen: Sequence[str]) -> Line | None:
    hidden = [name for name in seen.hidden if name in set(chosen)]
    if not hidden:
        return None
    return _source(
        "row security",
        Verdict.PROBLEM,
        f'row-level security may hide rows from "{seen.role}" in {_some(hidden)}',
        "Use a role with BYPASSRLS, or the tables' owner; or exclude them",
    )


def _encoding(encoding: str) -> Line:
    if encoding == "UTF8":
        return _source("encoding", Verdict.OK, encoding)
    if encoding == "SQL_ASCII":
        return _source(
            "encoding",
            Verdict.WARNING,
            "SQL_ASCII: PostgreSQL never checked its texts, and D1 takes UTF-8 only",
            "A text that isn't UTF-8 stops the run, which names table and column",
        )
    return _source("encoding", Verdict.OK, f"{encoding}, which PostgreSQL converts to UTF-8")


def _standby(seen: Checkup) -> Line:
    if not seen.catalog.source.is_standby:
        return _source("standby", Verdict.OK, "no, this is a primary")
    if seen.feedback:
        return _source("standby", Verdict.OK, "yes, with hot_standby_feedback")
    return _source(
        "standby",
        Verdict.WARNING,
        "yes, without hot_standby_feedback: replication cancels long reads",
        "Set hot_standby_feedback = on there, or run with --consistency rolling",
    )


def _pooler(seen: Checkup) -> Line:
    if not seen.pooled:
        return _source("pooler", Verdict.OK, "none, the connection is direct")
    return _source(
        "pooler",
        Verdict.WARNING,
        "a connection pooler answers: one moment for all tables may not be had through it",
        "Connect to PostgreSQL itself, or run with --consistency rolling",
    )


def _timeouts(seen: Checkup) -> Line:
    settings = {
        "statement_timeout": seen.statement_timeout_s,
        "idle_in_transaction_session_timeout": seen.idle_timeout_s,
    }
    tight = {name: seconds for name, seconds in settings.items() if 0 < seconds < TIGHT_S}
    if not tight:
        return _source("timeouts", Verdict.OK, "none that would cut reads short")
    role = quote_identifier(seen.role)
    return _source(
        "timeouts",
        Verdict.WARNING,
        f'for "{seen.role}", {" and ".join(f"{name} is {s:g} s" for name, s in tight.items())}:'
        " reads are cut into short windows",
        " ".join(f"ALTER ROLE {role} SET {name} = '10min';" for name in tight),
    )


def _size(survey: Survey, plan: Plan | None) -> Line:
    now, limit = survey.size_bytes, limits.DATABASE_BYTES
    more = plan.size_bytes if plan is not None else 0
    after = now + more
    # Rows aren't measured here, so the figure isn't the plan's: on small tables it is too high.
    coming = "" if plan is None else f", and by PostgreSQL's statistics about {size(more)} to come"
    measured = "" if plan is None else " (streamer plan measures it)"
    found = f"{size(now)} now{coming}{measured}; D1 takes {size(limit)}"
    if after > limit:
        return _target("size", Verdict.PROBLEM, found, "Move fewer tables, or into two databases")
    if after > NEARLY_FULL * limit:
        return _target("size", Verdict.WARNING, found, "Little room is left for what comes later")
    return _target("size", Verdict.OK, found)


def _room(room: int, plan: Plan | None) -> Line:
    needed = plan.size_bytes if plan is not None else 0
    if needed > room:
        return _target(
            "room",
            Verdict.PROBLEM,
            f"{size(room)} are free on the disk, about {size(needed)} are needed",
            "Make room, or name a file on another disk",
        )
    return _target("room", Verdict.OK, f"{size(room)} are free on the disk")


def _contents(survey: Survey, plan: Plan | None) -> Line:
    there = survey.names
    if not there:
        return _target("contents", Verdict.OK, "empty")
    full = sorted(
        found.name
        for table in (plan.tables if plan is not None else ())
        if (found := survey.find(table.target)) is not None and found.holds_rows
    )
    if full:
        return _target(
            "contents",
            Verdict.WARNING,
            f"rows are in tables that a run would fill: {_some(full)}",
            "A run refuses unless told --if-exists upsert or --if-exists replace",
        )
    return _target(
        "contents", Verdict.OK, f"{counted(len(there), 'table')}, none in a run's way with rows"
    )


def _leftovers(survey: Survey) -> Line | None:
    ours = [name for name in survey.tables if name.startswith(OURS)]
    if not ours:
        return None
    if all(name.startswith(f"{OURS}tune_") for name in ours):
        return _target(
            "scratch table",
            Verdict.WARNING,
            f"tables named {OURS}tune_… are there: streamer tune was killed",
            "The next streamer tune takes them away; or drop them",
        )
    return _target(
        "unfinished run",
        Verdict.WARNING,
        f"tables named {OURS}… are there: a run of streamer hasn't finished",
        "Let it finish, or go on with streamer run --resume and its checkpoint, or start over with"
        " streamer run --restart",
    )


def _replication(replicated: bool | None) -> Line | None:  # noqa: FBT001 -- the fact itself
    if replicated is None:
        return None
    if replicated:
        return _target(
            "read replication",
            Verdict.WARNING,
            "on: replicas may lag behind while a run writes",
            "Compare or read the target from its primary, or wait until the replicas caught up",
        )
    return _target("read replication", Verdict.OK, "off")
