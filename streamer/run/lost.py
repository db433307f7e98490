"""Which run's checkpoint is lost: found in the target by its ledger."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from streamer.config import Selection
from streamer.errors import UsageError
from streamer.frozen import frozen
from streamer.model import QualifiedName, SourceIdentity, Statement
from streamer.pack import (
    LEDGER_TABLE,
    OF_THE_RUN,
    OWNER_TABLE,
    Facts,
    Owner,
    facts_of,
    owners_of,
    read_facts,
    read_owners,
)
from streamer.plan.select import matching
from streamer.run.admission import listed
from streamer.run.facts import parsed
from streamer.run.recorded import members
from streamer.run.survey import Database, Survey

if TYPE_CHECKING:
    from checkpoints import JSON

START_OVER = "start over with `streamer run --restart --if-exists replace`"
STARTS = 1_000_000
"""A rebuilt checkpoint counts its starts from the next multiple of this on: so the lost one, should it
turn up again, can't pass for a later start of the run."""

_INDEXES = "SELECT name FROM sqlite_master WHERE type = 'index'"


@frozen
class Lost:
    """A run as the target's ledger tells of it.

    `facts` are those of the run, `tables` those of its tables by source name. Of these (target names)
    the rows that stood there before are gone from those `emptied`, and rows of the run came to those
    `begun`. `since` is the oldest start that owns one of them, `newest` the newest. `indexes` are all
    that the target has.
    """

    run_id: str
    facts: Mapping[str, JSON]
    tables: Mapping[str, Mapping[str, JSON]]
    targets: Mapping[str, str]
    emptied: frozenset[str]
    begun: frozenset[str]
    since: int
    newest: int
    indexes: frozenset[str] = frozenset()

    @property
    def starts(self) -> int:
        """Where the rebuilt checkpoint goes on counting starts."""
        return (self.newest // STARTS + 1) * STARTS


async def find_lost(
    database: Database, seen: Survey, source: SourceIdentity, selection: Selection
) -> Lost:
    """The unfinished run that moved `source` into this target.

    Raises:
        UsageError: there is none, or nobody can tell whether it is one; nothing was touched.

    """
    if seen.find(LEDGER_TABLE) is None or seen.find(OWNER_TABLE) is None:
        raise _nothing()
    answer = await database.execute([read_owners(), read_facts(), Statement(_INDEXES)])
    owners, facts, indexes = answer.results
    return choose(
        owners_of(owners),
        facts_of(facts),
        source,
        selection,
        indexes=frozenset(str(name) for (name,) in indexes.rows),
    )


def choose(
    owners: Sequence[Owner],
    runs: Mapping[str, Facts],
    source: SourceIdentity,
    selection: Selection,
    *,
    indexes: frozenset[str] = frozenset(),
) -> Lost:
    """The one of the `runs` that is meant, of those that still own tables (pure).

    Raises:
        UsageError: none is, or several may be.

    """
    owning = {owner.run for owner in owners}
    if not owning:
        raise _nothing()
    known = {run: runs[run] for run in owning if run in runs and OF_THE_RUN in runs[run].texts}
    if not known:
        raise UsageError(
            "the run in D1 was begun by an older version, which left nothing there that its "
            "checkpoint could be made anew from",
            hint=f"Go on with that checkpoint, or {START_OVER}.",
        )
    found = [_lost(run, facts, owners, indexes) for run, facts in known.items()]
    ours = [lost for lost in found if _is_from(lost, source)]
    if not ours:
        others = listed(sorted({_named(members(lost.facts.get("source"))) for lost in found}))
        raise UsageError(
            f"the run in D1 belongs to another source: {others}, not "
            f"database {source.database} of cluster {source.system_identifier}",
            hint=f"Connect to that source, or {START_OVER}.",
        )
    if len(ours) > 1:
        ours = [lost for lost in ours if _is_selected(lost, selection)] or ours
    if len(ours) > 1:
        lines = [f"run {lost.run_id}: {listed(sorted(lost.tables))}" for lost in ours]
        raise UsageError(
            "\n".join([f"{len(ours)} unfinished runs of this source are in D1:", *lines]),
            hint="Select the tables of one of them with --table.",
        )
    _refuse_taken(ours[0], owners)
    return ours[0]


def _lost(run: str, facts: Facts, owners: Sequence[Owner], indexes: frozenset[str]) -> Lost:
    epochs = [owner.epoch for owner in owners if owner.run == run]
    texts = {table: parsed(text) for table, text in facts.texts.items() if table != OF_THE_RUN}
    return Lost(
        run_id=run,
        facts=parsed(facts.texts[OF_THE_RUN]),
        tables={str(text.get("name")): text for text in texts.values()},
        targets={str(text.get("name")): table for table, text in texts.items()},
        emptied=frozenset(facts.emptied),
        begun=frozenset(facts.begun),
        since=min(epochs),
        newest=max(epochs),
        indexes=indexes,
    )


def _is_from(lost: Lost, source: SourceIdentity) -> bool:
    then = members(lost.facts.get("source"))
    known = (then.get("system_identifier"), then.get("database"))
    return known == (source.system_identifier, source.database)


def _is_selected(lost: Lost, selection: Selection) -> bool:
    names = (QualifiedName(*table.split(".", 1)) for table in lost.tables)
    return all(matching(name, selection) for name in names)


def _refuse_taken(lost: Lost, owners: Sequence[Owner]) -> None:
    """Refuse a run of whose tables another run owns some by now, or which it has lost altogether."""
    ours = {owner.table.lower() for owner in owners if owner.run == lost.run_id}
    taken = sorted(target for target in lost.targets.values() if target.lower() not in ours)
    unknown = len(ours) > len(lost.targets)
    if taken or unknown:
        what = (
            f"another run took {listed(taken)} over since"
            if taken
            else "the ledger doesn't tell of all of its tables"
        )
        raise UsageError(
            f"the checkpoint of run {lost.run_id} can't be made anew: {what}",
            hint=f"If nobody else writes to D1: {START_OVER}.",
        )


def _named(source: Mapping[str, JSON]) -> str:
    return f"database {source.get('database')} of cluster {source.get('system_identifier')}"


def _nothing() -> UsageError:
    return UsageError(
        "D1 holds no ledger of an unfinished run: there is nothing to make a checkpoint from",
        hint="Where the run had ended, compare both sides with `streamer validate`; "
        "else begin with `streamer run`.",
    )
