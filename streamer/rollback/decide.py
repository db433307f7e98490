"""What to do about each table of a run that is taken back, and what speaks against it (pure)."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from streamer.frozen import frozen
from streamer.model.words import counted
from streamer.rollback.intent import Intent, WrittenTable
from streamer.rollback.look import Seen
from streamer.run.admission import Found
from streamer.translate.graph import strong_components


class Action(StrEnum):
    """DROPPED: the run made it. EMPTIED: it was there, empty. LEFT: nothing of the run is in it."""

    DROPPED = "dropped"
    EMPTIED = "emptied"
    LEFT = "left"


@frozen
class TableAction:
    """What becomes of one table, which holds `rows` now (None: not counted)."""

    table: WrittenTable
    action: Action
    rows: int | None


@frozen
class Decision:
    """What a rollback by deleting would do.

    `groups` hold the tables to empty (target names), children first; those of one group refer to
    each other. `objections` are sentences; with any of them nothing may be done.
    """

    tables: tuple[TableAction, ...]
    views: tuple[str, ...]
    groups: tuple[tuple[str, ...], ...]
    objections: tuple[str, ...] = ()


def decide(intent: Intent, seen: Seen, *, force: bool) -> Decision:
    """What deleting means for a run; with `force`, rows that the run didn't write go too."""
    actions = [_action(table, seen) for table in intent.tables]
    touched = [one for one in actions if one.action is not Action.LEFT]
    objections = [
        *_owned_by_others(intent, seen),
        *(text for one in actions if (text := _held_before(one.table, seen, intent))),
        *(text for one in touched if not force and (text := _holds_more(one, seen))),
        *_referred_to(touched, seen),
    ]
    views = [
        name
        for name in intent.views
        if (there := seen.survey.find(name)) is not None and there.is_view
    ]
    return Decision(
        tables=tuple(actions),
        views=tuple(views),
        groups=_children_first([one.table.target for one in touched], seen),
        objections=tuple(objections),
    )


def takes_more(now: Decision, agreed: Decision) -> bool:
    """Whether `now` takes away what isn't in `agreed`: another table or view, or more rows."""
    known = {one.table.target: one for one in agreed.tables}
    return not {*now.views} <= {*agreed.views} or any(
        one.action is not Action.LEFT and _is_more(one, known[one.table.target])
        for one in now.tables
    )


def _is_more(now: TableAction, agreed: TableAction) -> bool:
    if agreed.action is Action.LEFT:
        return True
    return agreed.rows is not None and (now.rows is None or now.rows > agreed.rows)


def _action(table: WrittenTable, seen: Seen) -> TableAction:
    there = seen.survey.find(table.target)
    rows = seen.rows.get(table.target.lower())
    if there is None or there.is_view or table.found is Found.ROWS:
        return TableAction(table, Action.LEFT, rows)
    action = Action.DROPPED if table.found is Found.ABSENT else Action.EMPTIED
    return TableAction(table, action, rows)


def _held_before(table: WrittenTable, seen: Seen, intent: Intent) -> str:
    """Why a table that held rows of others can't be made what it was; '' where it is still."""
    if table.found is not Found.ROWS:
        return ""
    if table.emptied:
        if table.target not in intent.claimed:
            return ""
        return f"{table.target} held rows before the run, and the run took them away"
    written = table.begun or seen.ledger_rows.get(table.target.lower(), 0) > 0
    if not written:
        return ""
    return f"{table.target} held rows before the run: which of them were changed isn't known"


def _holds_more(one: TableAction, seen: Seen) -> str:
    known = max(one.table.rows, seen.ledger_rows.get(one.table.target.lower(), 0))
    if one.rows is None:
        return f"{one.table.target} has too many rows to count in one request"
    if one.rows <= known:
        return ""
    return f"{one.table.target} holds {counted(one.rows, 'row')}, the run wrote {known:,}"


def _owned_by_others(intent: Intent, seen: Seen) -> list[str]:
    ours = {table.target.lower() for table in intent.tables}
    return [
        f"{owner.table}: another run writes to it now (run {owner.run})"
        for owner in seen.owners
        if owner.table.lower() in ours and owner.run != intent.run_id
    ]


def _referred_to(touched: Iterable[TableAction], seen: Seen) -> list[str]:
    """Tables outside the run that would lose their parent, or rows with it."""
    actions = {one.table.target.lower(): one.action for one in touched}
    found: list[str] = []
    for key in seen.foreign_keys:
        action = actions.get(key.parent.lower())
        child = seen.survey.find(key.child)
        if action is None or key.child.lower() in actions or child is None:
            continue
        if action is Action.DROPPED or child.holds_rows:
            found.append(f"{key.parent}: {key.child}, which isn't of this run, refers to it")
    return list(dict.fromkeys(found))


def _children_first(names: list[str], seen: Seen) -> tuple[tuple[str, ...], ...]:
    number = {name.lower(): at for at, name in enumerate(names)}
    edges = [
        (number[key.child.lower()], number[key.parent.lower()])
        for key in seen.foreign_keys
        if key.child.lower() in number and key.parent.lower() in number
    ]
    parents_first = strong_components(len(names), edges)
    return tuple(tuple(names[at] for at in group) for group in reversed(parents_first))
