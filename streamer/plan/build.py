"""Decides everything about a job, from the catalog, the selection and the user's options."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field, replace

from streamer.config import Selection
from streamer.errors import UsageError
from streamer.frozen import frozen
from streamer.model import (
    Catalog,
    Finding,
    IndexTiming,
    PgType,
    Plan,
    QualifiedName,
    Question,
    Shaping,
    Table,
    TableKind,
    TablePlan,
    ViewPlan,
)
from streamer.plan.carry import carry_over
from streamer.plan.draft import Draft, make_drafts
from streamer.plan.estimate import about_size, size_of
from streamer.plan.kinds import as_views, movable
from streamer.plan.labels import label_tables, with_labels, without_idle_labels
from streamer.plan.links import Place, link, order_of, places, slow_cycles
from streamer.plan.naming import about_names
from streamer.plan.others import about_source
from streamer.plan.questions import table_questions
from streamer.plan.select import select
from streamer.plan.shape import Shapes, problems_of, shape
from streamer.plan.strict import strict_questions
from streamer.plan.tables import table_plan
from streamer.plan.views import plan_views
from streamer.translate.names import fold


@frozen
class PlanOptions:
    """What the user decided about the plan.

    `existing_parents` are the names of tables that the target holds already: foreign keys to them
    are kept. `left_out` names foreign keys (`schema.table.name`) to give up. `expression_types` are
    the types that PostgreSQL gives to the shaping's expressions, by table and column. `refused` are
    tables that their rows keep from being moved. `untranslatable` names defaults, CHECKs, generated
    columns, indexes and views that D1 turned out not to take, as findings name them.
    """

    indexes: IndexTiming = IndexTiming.AUTO
    existing_parents: frozenset[str] = frozenset()
    left_out: frozenset[str] = frozenset()
    shaping: Shaping = field(default_factory=Shaping)
    expression_types: Mapping[tuple[QualifiedName, str], PgType] = field(
        default_factory=dict[tuple[QualifiedName, str], PgType]
    )
    refused: Mapping[QualifiedName, Finding] = field(default_factory=dict[QualifiedName, Finding])
    untranslatable: frozenset[str] = frozenset()


def make_plan(catalog: Catalog, selection: Selection, options: PlanOptions | None = None) -> Plan:
    """Plan moving the selected tables.

    What can't move is a refusal in the findings and isn't in the plan's tables: whoever runs the
    plan stops at refusals, or goes on without those tables.

    Raises:
        UsageError: the selection, or what is asked of tables and columns, fits nothing there is.

    """
    options = options or PlanOptions()
    labels = label_tables(catalog.tables, options.shaping)
    try:
        chosen, findings = _select(catalog, selection, labels)
    except UsageError as error:
        problems = settings_problems(catalog, selection, options.shaping)
        raise UsageError("\n".join(problems), hint=error.hint) from None
    shapes = shape(chosen, options.shaping, options.expression_types, known=catalog.tables)
    moved, others = movable(shapes.tables, options.shaping)
    moved = with_labels(moved)
    findings += [*about_source(catalog, options.shaping), *others, *about_names(moved)]
    drafts, refusals = make_drafts(moved, catalog.source.server_version, options.shaping.hash_key)
    refusals += [options.refused[d.table.name] for d in drafts if d.table.name in options.refused]
    drafts = [draft for draft in drafts if draft.table.name not in options.refused]
    encoding = catalog.source.encoding
    drafts = carry_over(drafts, options.shaping, options.untranslatable, encoding)
    placed, said, too_slow = _place(drafts, shapes, options)
    taken = {fold(draft.target) for draft, _ in placed}
    views, about_views = _views(shapes, [draft for draft, _ in placed], catalog, options, taken)
    plans = [
        table_plan(draft, place, options.indexes, taken, options.shaping) for draft, place in placed
    ]
    findings += [*said, *(finding for plan in plans for finding in plan.said), *about_views]
    size_bytes = size_of(plans)
    findings += about_size(size_bytes)
    return Plan(
        tables=tuple(plans),
        findings=(*refusals, *too_slow, *findings),
        size_bytes=size_bytes,
        views=tuple(views),
        questions=_questions([draft for draft, _ in placed], plans, catalog, options.shaping),
    )


def settings_problems(catalog: Catalog, selection: Selection, shaping: Shaping) -> list[str]:
    """What of the settings fits nothing there is, a line each, as far as `make_plan` would say it."""
    problems: list[str] = []
    labels = label_tables(catalog.tables, shaping)
    try:
        chosen, _ = _select(catalog, selection, labels)
    except UsageError as error:
        chosen, problems = [*catalog.tables, *labels], error.what.splitlines()
    return problems + problems_of(chosen, shaping, known=catalog.tables)


def _select(
    catalog: Catalog, selection: Selection, labels: Sequence[Table]
) -> tuple[list[Table], list[Finding]]:
    """The selected tables and all those of `labels`, which come along where they are needed."""
    known = replace(catalog, tables=(*catalog.tables, *labels))
    chosen, findings = select(known, selection)
    return [*(table for table in chosen if table.kind is not TableKind.LABELS), *labels], findings


def _views(
    shapes: Shapes,
    drafts: Sequence[Draft],
    catalog: Catalog,
    options: PlanOptions,
    taken: set[str],
) -> tuple[list[ViewPlan], list[Finding]]:
    """The views that are asked for, over the tables that move."""
    if options.shaping.views != "create":
        return [], []
    views, others = as_views(shapes.tables)
    plans, findings = plan_views(
        views,
        drafts,
        shapes.targets,
        types=options.shaping.types,
        source=catalog.source,
        taken=taken,
        untranslatable=options.untranslatable,
    )
    return plans, [*others, *findings]


def _questions(
    drafts: Sequence[Draft], plans: Sequence[TablePlan], catalog: Catalog, shaping: Shaping
) -> tuple[Question, ...]:
    """What is to be asked of the rows of all tables."""
    tables = {table.name: table for table in catalog.tables}
    wheres = {plan.name: plan.where for plan in plans if plan.where}
    version = catalog.source.server_version
    return tuple(
        question
        for draft, plan in zip(drafts, plans, strict=True)
        for question in (
            *table_questions(draft, plan, tables=tables, wheres=wheres, server_version=version),
            *(strict_questions(draft) if shaping.strict else ()),
        )
    )


def _place(
    drafts: Sequence[Draft], shapes: Shapes, options: PlanOptions
) -> tuple[list[tuple[Draft, Place]], list[Finding], list[Finding]]:
    """The drafts in load order with their foreign keys, what to say of those, and refusals."""
    refusals: list[Finding] = []
    while True:
        drafts = without_idle_labels(drafts)
        linked, said = link(
            drafts, shapes, existing=options.existing_parents, left_out=options.left_out
        )
        order = order_of(drafts, linked)
        too_slow = slow_cycles(drafts, linked, order)
        if not too_slow:
            return places(drafts, linked, order), said, refusals
        refusals += too_slow.values()
        drafts = [draft for draft in drafts if draft.table.name not in too_slow]
