"""Foreign keys between drafts: which are kept, the load order, where cycles are cut."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from itertools import chain

from streamer.frozen import frozen
from streamer.model import Finding, QualifiedName, Severity
from streamer.plan.draft import Draft
from streamer.plan.estimate import publish_seconds
from streamer.plan.shape import Shapes
from streamer.translate.foreign_keys import ColumnId, Kept, Parents, keep
from streamer.translate.graph import Edge, Order, load_order
from streamer.translate.keys import told_apart_by
from streamer.translate.names import fold
from streamer.translate.types import Mapping as TypeMapping

PUBLISH_SECONDS = 15.0  # half of what D1 allows a request


def link(
    drafts: Sequence[Draft],
    shapes: Shapes,
    *,
    existing: Collection[str],
    left_out: Collection[str],
) -> tuple[dict[QualifiedName, list[Kept]], list[Finding]]:
    """The foreign keys that each table keeps.

    `existing` are names of tables that the target holds already, `left_out` foreign keys
    (`schema.table.name`) to give up.
    """
    by_name = {draft.table.name: draft for draft in drafts}
    parents = Parents(
        moved={name: told_apart_by(draft.table) for name, draft in by_name.items()},
        targets=shapes.targets,
        existing=frozenset(fold(name) for name in existing),
        columns=shapes.columns,
        nulls=frozenset(
            (name, column)
            for name, draft in by_name.items()
            for column, shaped in draft.shaped.columns.items()
            if shaped.mask == "null"
        ),
    )

    def mapping_of(column: ColumnId) -> TypeMapping:
        return by_name[column[0]].mappings[column[1]]

    linked: dict[QualifiedName, list[Kept]] = {}
    findings: list[Finding] = []
    for draft in drafts:
        table = draft.table
        given_up = {
            *draft.shaped.options.exclude_foreign_keys,
            *(key.name for key in table.foreign_keys if f"{table.name}.{key.name}" in left_out),
        }
        linked[table.name], said = keep(table, parents, mapping_of, given_up)
        findings += said
    return linked, findings


def order_of(drafts: Sequence[Draft], linked: Mapping[QualifiedName, Sequence[Kept]]) -> Order:
    """The load order; an edge's number is its place in its table's list of kept keys."""
    number = {draft.table.name: index for index, draft in enumerate(drafts)}
    edges = [
        Edge(
            child=index,
            parent=number[kept.source.parent],
            cuttable=bool(_deferrable(draft, kept)),
            number=place,
        )
        for index, draft in enumerate(drafts)
        for place, kept in enumerate(linked[draft.table.name])
        if kept.moved
    ]
    return load_order(len(drafts), edges)


def _deferrable(draft: Draft, kept: Kept) -> tuple[str, ...]:
    """Columns of a foreign key that may be NULL at first.

    They are in no key, unique index, CHECK or generated column.
    """
    not_null = {column.source for column in draft.columns if column.not_null}
    fixed = draft.carried.fixed | not_null
    return tuple(name for name in kept.source.columns if name not in fixed)


def slow_cycles(
    drafts: Sequence[Draft], linked: Mapping[QualifiedName, Sequence[Kept]], order: Order
) -> dict[QualifiedName, Finding]:
    """Refusals of cycles that one request can't publish in time."""
    refused: dict[QualifiedName, Finding] = {}
    for group in order.groups:
        members = [drafts[node] for node in sorted(group)]
        seconds = publish_seconds([(draft.table, draft.columns) for draft in members])
        if seconds <= PUBLISH_SECONDS:
            continue
        names = {draft.table.name for draft in members}
        keys = [
            f"{name}.{kept.source.name}"
            for name in sorted(names)
            for kept in linked[name]
            if kept.source.parent in names
        ]
        for name in sorted(names):
            refused[name] = Finding(
                Severity.REFUSAL,
                str(name),
                f"refers to itself by NOT NULL foreign keys ({', '.join(keys)}); publishing such a"
                f" cycle would take about {seconds:.0f} s, more than one request may",
                "Leave one of them out with exclude_foreign_keys, make its columns nullable in the"
                " source, exclude the table, or use --skip-refused",
            )
    return refused


@frozen
class Place:
    """A table's place among the others.

    `keys` are its foreign keys: those of `cut` are set in a second pass, those of `same_cycle`
    published together with their parents, and all others need their parents' rows (`parents`)
    first. `cycle` is -1 outside of staged cycles. `referred` are the sets of its columns that
    foreign keys refer to.
    """

    keys: tuple[Kept, ...]
    cut: tuple[Kept, ...]
    same_cycle: tuple[Kept, ...]
    parents: tuple[QualifiedName, ...]
    cycle: int
    referred: frozenset[frozenset[str]]


def places(
    drafts: Sequence[Draft], linked: Mapping[QualifiedName, Sequence[Kept]], order: Order
) -> list[tuple[Draft, Place]]:
    """Each draft with its place, in load order."""
    cut = {(edge.child, edge.number) for edge in order.cut}
    cycle = {
        drafts[node].table.name: number
        for number, group in enumerate(order.groups)
        for node in group
    }
    referred: dict[QualifiedName, set[frozenset[str]]] = {}
    for kept in chain.from_iterable(linked.values()):
        referred.setdefault(kept.source.parent, set()).add(frozenset(kept.source.parent_columns))
    placed: list[tuple[Draft, Place]] = []
    for node in order.nodes:
        name = drafts[node].table.name
        mine = cycle.get(name, -1)
        late, together, before = list[Kept](), list[Kept](), set[QualifiedName]()
        for number, kept in enumerate(linked[name]):
            if (node, number) in cut:
                late.append(kept)
            elif mine >= 0 and cycle.get(kept.source.parent) == mine:
                together.append(kept)
            elif kept.moved:
                before.add(kept.source.parent)
        place = Place(
            keys=tuple(linked[name]),
            cut=tuple(late),
            same_cycle=tuple(together),
            parents=tuple(sorted(before)),
            cycle=mine,
            referred=frozenset(referred.get(name, ())),
        )
        placed.append((drafts[node], place))
    return placed


def deferred_columns(draft: Draft, cut: Sequence[Kept]) -> tuple[str, ...]:
    """One nullable column of each cut foreign key is enough, shared where it can be.

    By their names in the target.
    """
    chosen: list[str] = []
    for kept in cut:
        possible = _deferrable(draft, kept)
        if not set(possible) & set(chosen):
            chosen.append(possible[0])
    return tuple(map(draft.target_of, chosen))
