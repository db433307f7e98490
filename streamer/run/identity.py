"""Whether a checkpoint's run may go on: same source, same target, tables that didn't change."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import TYPE_CHECKING

from streamer.config import TargetSettings
from streamer.errors import SettingsChangedError, SourceChangedError, UsageError
from streamer.frozen import frozen
from streamer.model import KeyKind, SourceIdentity, Storage, TablePlan
from streamer.model.target import TargetIdentity, TargetKind
from streamer.run.chosen import chosen_facts, differing, split_columns
from streamer.run.recorded import members

if TYPE_CHECKING:
    from checkpoints import JSON


class GoOn(StrEnum):
    """How a table that was begun goes on."""

    AS_IT_WAS = "as it was"
    FROM_THE_START = "from the start"


@frozen
class Verdict:
    """How a table goes on, and a warning to give ('' for none)."""

    go_on: GoOn
    warning: str = ""


def source_facts(source: SourceIdentity) -> dict[str, JSON]:
    """What a checkpoint remembers of the source."""
    files: dict[str, JSON] = {"files": source.files} if source.files else {}
    return files | {
        "system_identifier": source.system_identifier,
        "timeline": source.timeline,
        "database": source.database,
        "server_version": source.server_version,
    }


def target_facts(target: TargetIdentity) -> dict[str, JSON]:
    """What a checkpoint remembers of the target; of a file there is no account and no other name."""
    facts: dict[str, JSON] = {"kind": target.kind.value}
    if target.account:
        facts["account"] = target.account
    facts["database"] = target.database
    if target.name or target.account:
        facts["database_name"] = target.name
    return facts


def table_facts(plan: TablePlan) -> dict[str, JSON]:
    """What a checkpoint remembers of a table, to notice later that it isn't the same any more."""
    return {
        "target": plan.target,
        "oid": plan.table.oid,
        "relfilenode": plan.table.relfilenode,
        "fingerprint": plan.fingerprint,
        "columns": {column.source: column.type_name for column in plan.columns},
        "key": [plan.key.kind.value, *plan.key.columns],
        "collations": _collations(plan),
        "loading": [plan.loading.value, *plan.deferred],
        "chosen": chosen_facts(plan),
        "rows_estimate": plan.table.rows,
        "indexes": [index.name for index in plan.indexes],
        "stage": plan.stage,
    }


def _collations(plan: TablePlan) -> dict[str, JSON]:
    """Versions of the collations that order the key; another one may order it differently."""
    return {
        name: plan.table.column(name).collation_version
        for name in plan.key.columns
        if plan.table.column(name).collation_version
    }


def check_source(now: SourceIdentity, then: Mapping[str, JSON]) -> str:
    """A warning, or '', where the checkpoint's source is the one at hand.

    Raises:
        UsageError: it is another database or another cluster.

    """
    for fact, called in (("system_identifier", "cluster"), ("database", "database")):
        known, found = str(then.get(fact)), str(getattr(now, fact))
        if known != found:
            raise UsageError(
                f"the checkpoint belongs to another source: {called} {known}, not {found}",
                hint="Connect to that source, name another --checkpoint, or use --restart.",
            )
    if then.get("timeline") != now.timeline:
        return (
            f"the source went from timeline {then.get('timeline')} to {now.timeline} (a standby "
            "was promoted, or it was restored); changes that were lost with that are in the target"
        )
    return ""


def check_files(files: str, then: Mapping[str, JSON]) -> None:
    """Refuse to go on with other files than the checkpoint's run began with, or without any.

    `files` is the digest of those that are there now ('': rows come from PostgreSQL), `then` the source
    that was written down.

    Raises:
        UsageError: they are others.

    """
    if files == str(then.get("files", "")):
        return
    if not files:
        raise UsageError(
            "the run in the checkpoint is an import of files",
            hint="Go on with `streamer import --resume`, name another --checkpoint, or use --restart.",
        )
    raise UsageError(
        "the files aren't those that the run in the checkpoint began with",
        hint="Put them back as they were, or start over with --restart.",
    )


def check_target(target: TargetIdentity, then: Mapping[str, JSON]) -> None:
    """Refuse to go on in another database.

    Raises:
        UsageError: the checkpoint was made for another database, account or file.

    """
    if not same_target(target, then):
        raise UsageError(
            f"the checkpoint belongs to another target: {_named(then)}, "
            f"not {_named(target_facts(target))}",
            hint="Name that one as the target, another file with --checkpoint, or use --restart.",
        )


def check_settings(
    source_database: str | None,
    target: TargetSettings | TargetIdentity,
    run: Mapping[str, JSON],
) -> None:
    """Refuse settings that evidently mean another job than the finished `run`; asks nobody.

    Of D1 only the settings are known, and they may hold the database's name or its id.

    Raises:
        UsageError: another source database, or another target, is configured.

    """
    then = run.get("target")
    if isinstance(then, Mapping):
        check_target(_meant(target, then), then)
    known = members(run.get("source")).get("database")
    if source_database and known != source_database:
        raise UsageError(
            f"the checkpoint belongs to another source: database {known}, not {source_database}",
            hint="Connect to that source, name another --checkpoint, or use --restart.",
        )


def same_target(target: TargetIdentity, then: JSON) -> bool:
    """Whether `then`, the target of a checkpoint, is this one."""
    known = members(then)
    return (known.get("database"), known.get("account", "")) == (target.database, target.account)


def _meant(target: TargetSettings | TargetIdentity, then: Mapping[str, JSON]) -> TargetIdentity:
    """The target that is configured; one named as the checkpoint's is taken for it."""
    if isinstance(target, TargetIdentity):
        return target
    named = target.database == then.get("database_name")
    database = str(then.get("database")) if named else target.database
    return TargetIdentity(TargetKind.D1, database, target.account_id)


def _named(facts: Mapping[str, JSON]) -> str:
    database, account = facts.get("database"), facts.get("account")
    return f"database {database} of account {account}" if account else str(database)


def check_loading(plan: TablePlan, then: Mapping[str, JSON]) -> None:
    """Refuse to go on where foreign keys changed so that the table would be loaded otherwise.

    Rows that came in one way would miss what the other still has to do: the second pass, the
    publishing. And the target's table has the foreign keys that it was made with.

    Raises:
        SourceChangedError: it would.
        SettingsChangedError: it would, because of settings.

    """
    known, now = then.get("loading"), table_facts(plan)["loading"]
    if known is not None and known != now:
        if settings := differing(chosen_facts(plan), then.get("chosen")):
            raise _settings_changed(plan, settings)
        raise SourceChangedError(
            f"{plan.name}: foreign keys changed since the run began, and its rows can't go on in "
            f"the way that they came so far ({_way(known)}, now {_way(now)})",
            hint="Change it back, or start over with --restart.",
        )


def _way(loading: JSON) -> str:
    return ", ".join(map(str, loading)) if isinstance(loading, list) else str(loading)


def check_table(plan: TablePlan, then: Mapping[str, JSON], *, done: bool = False) -> Verdict:
    """How a table that was begun goes on; `done`: all its rows were moved, in whatever order.

    Raises:
        SourceChangedError: its definition isn't what the rows so far were moved by.
        SettingsChangedError: what is asked of it isn't.

    """
    now = table_facts(plan)
    if now["fingerprint"] != then.get("fingerprint"):
        settings = differing(chosen_facts(plan), then.get("chosen"))
        columns = _difference(now, then)
        split = members(then.get("chosen")).get("split", []) != split_columns(plan)
        if settings and (split or not columns):
            raise _settings_changed(plan, settings)
        also = f"; and settings: {', '.join(settings)}" if settings else ""
        raise SourceChangedError(
            f"{plan.name} changed since the run began: {columns or _OTHERWISE}{also}",
            hint="Change it back, or start over with --restart.",
        )
    if now["oid"] != then.get("oid"):
        again = (
            "it has no key, so it is emptied in D1 and moved again from the start"
            if plan.key.kind is KeyKind.PHYSICAL
            else "it is moved again from the start, and rows that are gone from it stay in D1"
        )
        return Verdict(
            GoOn.FROM_THE_START,
            f"{plan.name} was dropped and made anew since the run began; {again}",
        )
    if now["collations"] != then.get("collations") and not done:
        return Verdict(
            GoOn.FROM_THE_START,
            f"{plan.name}: the collation of its key has a new version, so its order can't be "
            "trusted; it is moved again from the start",
        )
    if now["relfilenode"] != then.get("relfilenode"):
        if plan.key.kind is KeyKind.PHYSICAL and not done:
            return Verdict(
                GoOn.FROM_THE_START,
                f"{plan.name} was rewritten (VACUUM FULL, TRUNCATE) and has no key; it is moved "
                "again from the start",
            )
        return Verdict(
            GoOn.AS_IT_WAS,
            f"{plan.name} was rewritten since the run began (VACUUM FULL, or TRUNCATE and a "
            "reload); rows behind the position are as they were before",
        )
    return Verdict(GoOn.AS_IT_WAS)


def _settings_changed(plan: TablePlan, settings: list[str]) -> SettingsChangedError:
    return SettingsChangedError(
        f"settings of {plan.name} changed since the run began: {', '.join(settings)}",
        hint="Change them back, or start over with --restart.",
    )


_OTHERWISE = "its constraints or the way it is stored differ"


def _difference(now: Mapping[str, JSON], then: Mapping[str, JSON]) -> str:
    """How columns and key differ; '' where they don't."""
    was, now_has = then.get("columns"), now["columns"]
    if isinstance(was, Mapping) and isinstance(now_has, Mapping) and was != now_has:
        parts = [f"column {name} is gone" for name in was if name not in now_has]
        parts += [f"column {name} is new" for name in now_has if name not in was]
        parts += [
            f"column {name} was {was[name]}, is {now_has[name]}"
            for name in was
            if name in now_has and was[name] != now_has[name]
        ]
        return ", ".join(parts)
    if then.get("key") != now["key"]:
        return "it has another key"
    return ""


def comparable_key(plan: TablePlan) -> bool:
    """Whether the text of a key is also what D1 stores, so that it can be looked up there."""
    if plan.key.kind is KeyKind.PHYSICAL:
        return True
    if plan.hides_key:
        return False
    by_source = {column.source: column for column in plan.columns}
    return all(
        by_source[name].exact_sql and by_source[name].storage is not Storage.REAL
        for name in plan.key.columns
    )
