"""Decides everything about a job, from the catalog, the selection and the user's options."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from streamer import limits
from streamer.config import Selection
from streamer.model import (
    Catalog,
    Finding,
    IndexTiming,
    Plan,
    Rate,
    PgType,
    QualifiedName,
    Severity,
    Shaping,
    TableKind,
    TablePlan,
)
from streamer.plan.draft import make_drafts
from streamer.plan.estimate import estimate
from streamer.plan.links import link, order_of, places, slow_cycles
from streamer.plan.select import select
from streamer.plan.tables import table_plan
from streamer.translate.losses import object_not_moved
from streamer.translate.names import fold

_MOVABLE = frozenset({TableKind.TABLE, TableKind.PARTITIONED})


@dataclass(frozen=True, slots=True)
class PlanOptions:
    """What the user decided about the plan.

    `existing_parents` are the names of tables that the target holds already: foreign keys to them
    are kept. `left_out` names foreign keys (`schema.table.name`) to give up. `rate` None: requests
    aren't limited. `expression_types` are the types that PostgreSQL gives to the shaping's
    expressions, by table and column. `refused` are tables that their rows keep from being moved.
    """

    indexes: IndexTiming = IndexTiming.AUTO
    rate: Rate | None = field(
        default_factory=lambda: Rate(limits.RATE_LIMIT_REQUESTS, limits.API_WINDOW_S)
    )
    existing_parents: frozenset[str] = frozenset()
    left_out: frozenset[str] = frozenset()
    shaping: Shaping = field(default_factory=Shaping)
    expression_types: Mapping[tuple[QualifiedName, str], PgType] = field(
        default_factory=dict[tuple[QualifiedName, str], PgType]
    )
    refused: Mapping[QualifiedName, Finding] = field(default_factory=dict[QualifiedName, Finding])


def make_plan(catalog: Catalog, selection: Selection, options: PlanOptions | None = None) -> Plan:
    """Plan moving the selected tables.

    What can't move is a refusal in the findings and isn't in the plan's tables: whoever runs the
    plan stops at refusals, or goes on without those tables.

    Raises:
        UsageError: the selection names what isn't there.

    """
    options = options or PlanOptions()
    chosen, findings = select(catalog, selection)
    findings += _about_source(catalog)
    findings += [said for table in chosen if (said := object_not_moved(table))]
    tables = [table for table in chosen if table.kind in _MOVABLE]
    drafts, refusals = make_drafts(tables, catalog.source.server_version)
    while True:
        linked, said = link(
            drafts, catalog, existing=options.existing_parents, left_out=options.left_out
        )
        order = order_of(drafts, linked)
        too_slow = slow_cycles(drafts, linked, order)
        if not too_slow:
            break
        refusals += too_slow.values()
        drafts = [draft for draft in drafts if draft.table.name not in too_slow]
    findings += said
    taken = {fold(draft.target) for draft in drafts}
    plans: list[TablePlan] = []
    for draft, place in places(drafts, linked, order):
        plan, said = table_plan(draft, place, options.indexes, taken)
        plans.append(plan)
        findings += said
    cost = estimate(plans, options.rate)
    if cost.size_bytes > limits.DATABASE_BYTES:
        what = f"about {cost.size_bytes:,} bytes are expected, D1 holds {limits.DATABASE_BYTES:,}"
        findings.append(Finding(Severity.WARNING, "size", what, "Move fewer tables"))
    return Plan(tables=tuple(plans), findings=(*refusals, *findings), estimate=cost)


def _about_source(catalog: Catalog) -> list[Finding]:
    if catalog.source.encoding != "SQL_ASCII":
        return []
    what = "the database's encoding is SQL_ASCII: text that isn't UTF-8 will stop the run"
    return [Finding(Severity.WARNING, catalog.source.database, what)]
