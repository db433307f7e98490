"""Which views the target gets, and why not the others."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from streamer import limits
from streamer.model import (
    Finding,
    QualifiedName,
    Severity,
    SourceIdentity,
    Table,
    TableKind,
    TypeOptions,
    ViewPlan,
)
from streamer.plan.draft import Draft
from streamer.translate import expressions
from streamer.translate.ddl import create_view
from streamer.translate.expressions import Operand, Relation, Scope, Untranslated
from streamer.translate.names import fold, name_problem, shared
from streamer.translate.terms import REFUSED, ordered_alike
from streamer.translate.types import Unsupported, is_numeric, map_type


def plan_views(
    views: Sequence[Table],
    drafts: Sequence[Draft],
    targets: Mapping[QualifiedName, str],
    *,
    types: TypeOptions,
    source: SourceIdentity,
    taken: set[str],
    untranslatable: Collection[str] = (),
) -> tuple[list[ViewPlan], list[Finding]]:
    """The views that mean the same in D1, each after those that it is made of.

    `targets` are the target's names of tables and views, `taken` the folded names in use, which
    takes up the views'. `types` are the run's.
    """
    relations = {draft.table.name: _of_draft(draft) for draft in drafts}
    plans: list[ViewPlan] = []
    left: dict[QualifiedName, str] = {}
    waiting: list[Table] = []
    # A view is hardly ever older than those that it is made of.
    for view in sorted(views, key=lambda view: view.oid):
        why = _problem(view, targets[view.name], taken, untranslatable)
        if why:
            left[view.name] = why
        else:
            waiting.append(view)
    while waiting:
        before = len(waiting)
        for view in list(waiting):
            target = targets[view.name]
            made = expressions.view(view.definition, relations)
            if isinstance(made, Untranslated):
                left[view.name] = made.reason
                continue
            sql = create_view(target, [column.name for column in view.columns], made.sql)
            waiting.remove(view)
            if len(sql.encode()) > limits.STATEMENT_BYTES - len("IF NOT EXISTS "):
                left[view.name] = f"D1 takes statements of {limits.STATEMENT_BYTES:,} bytes"
                continue
            left.pop(view.name, None)
            taken.add(fold(target))
            plans.append(ViewPlan(view.name, target, sql))
            relations[view.name] = _of_view(view, target, types, source)
        if len(waiting) == before:
            break
    said = [
        Finding(Severity.WARNING, str(name), f"the view isn't moved: {why}")
        for name, why in left.items()
    ]
    moved = {plan.source for plan in plans}
    lost = [_made_without(view) for view in views if view.name in moved]
    return plans, [*said, *(finding for finding in lost if finding is not None)]


def _made_without(view: Table) -> Finding | None:
    """What of a view that moves is beside its query."""
    beside = [
        *view.view_options,
        *(f"the trigger {name}" for name in view.triggers),
        *(f"the rule {name}" for name in view.rules),
        *(f"the default of {column.name}" for column in view.columns if column.default is not None),
    ]
    if not beside:
        return None
    why = "D1 has no roles, and its views can only be read"
    what = f"the view is made without {', '.join(beside)}: {why}"
    return Finding(Severity.WARNING, str(view.name), what)


def _problem(
    view: Table, target: str, taken: Collection[str], untranslatable: Collection[str]
) -> str:
    if str(view.name) in untranslatable:
        return REFUSED
    if fold(target) in taken:
        return f"it would be called {target}, as something else is (D1 ignores the case of names)"
    if problem := name_problem(target):
        return f"it {problem}"
    names = [column.name for column in view.columns]
    if same := shared(names):
        return f"it has columns that are one when case is ignored: {', '.join(same[0])}"
    if not 0 < len(names) <= limits.COLUMNS:
        return f"it has {len(names)} columns, D1 allows {limits.COLUMNS}"
    return ""


def _of_draft(draft: Draft) -> Relation:
    apart = draft.table.has_children and draft.table.kind is TableKind.TABLE
    return Relation(draft.target, draft.carried.scope, has_children=apart)


def _of_view(view: Table, target: str, types: TypeOptions, source: SourceIdentity) -> Relation:
    """A view as others may use it: those of its columns whose stored form is beyond doubt."""
    columns: dict[str, Operand] = {}
    for column in view.columns:
        mapping = map_type(column.type, types, server_version=source.server_version)
        # Whether a numeric is text depends on the table that it comes from.
        if isinstance(mapping, Unsupported) or is_numeric(column.type) or types != TypeOptions():
            continue
        columns[column.name] = Operand(
            target=column.name,
            type=column.type,
            mapping=mapping,
            not_null=False,
            byte_order=ordered_alike(column, source.encoding),
            deterministic=column.deterministic,
            encoding=source.encoding,
        )
    return Relation(target, Scope(columns))
