"""From a source to its whole plan: catalog, plan, the questions that only rows answer, plan again.

`plan`, `schema`, `run --dry-run` and `run` all come this way, so that they say the same.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Protocol

from streamer.config import Config
from streamer.model import (
    Answered,
    Catalog,
    Finding,
    PgType,
    Plan,
    QualifiedName,
    Question,
    Severity,
    Shaping,
    TablePlan,
)
from streamer.plan import PlanOptions, make_plan
from streamer.plan.announce import announce
from streamer.run.recorded import items, members
from streamer.run.trial import tried

if TYPE_CHECKING:
    from checkpoints import JSON

COUNTING = "counting what isn't carried over exactly"


def _silent(_: str) -> None:
    pass


@dataclass(frozen=True, slots=True)
class Known:
    """What the plan needs to know of a source: its catalog, and the types of the user's expressions."""

    catalog: Catalog
    expression_types: Mapping[tuple[QualifiedName, str], PgType] = field(
        default_factory=dict[tuple[QualifiedName, str], PgType]
    )


class Planned(Protocol):
    """A source that can be planned from."""

    async def catalog(self) -> Catalog:
        """All there is."""
        ...

    async def expression_types(
        self, shaping: Shaping, catalog: Catalog
    ) -> Mapping[tuple[QualifiedName, str], PgType]:
        """The types of the user's expressions."""
        ...

    async def answer(
        self, questions: Sequence[Question], tables: Sequence[TablePlan]
    ) -> list[Answered]:
        """How many rows each question is about."""
        ...


async def look(source: Planned, config: Config, say: Callable[[str], None] = _silent) -> Known:
    """Read what the plan needs to know.

    Raises:
        UsageError: an expression is no SQL.
        SourceError, SourceLostError: the source can't be read.

    """
    say("reading the catalog")
    catalog = await source.catalog()
    return Known(catalog, await source.expression_types(config.shaping, catalog))


def plan_known(known: Known, config: Config, options: PlanOptions | None = None) -> Plan:
    """The plan of moving what `config` selects of a known catalog; its questions are still open.

    `options` say what isn't in the settings.

    Raises:
        UsageError: the selection names what isn't there, or a setting fits nothing.

    """
    options = replace(
        options or PlanOptions(),
        indexes=config.run.indexes,
        rate=config.pacing.rate,
        shaping=config.shaping,
        expression_types=known.expression_types,
    )
    return tried(
        lambda bad: make_plan(known.catalog, config.selection, replace(options, untranslatable=bad))
    )


async def plan_job(
    source: Planned,
    config: Config,
    *,
    known: Known | None = None,
    existing_parents: frozenset[str] = frozenset(),
    refused: Mapping[QualifiedName, Finding] | None = None,
    asked: Collection[str] = (),
    say: Callable[[str], None] = _silent,
) -> Plan:
    """The plan of moving what `config` selects, with everything that is to be said of it.

    `known` is what was read of the source already. `existing_parents` are the tables that the target holds already. A run that goes on gives what it
    `refused` when it began, and the names of the tables that it `asked` about then: these aren't
    asked again, for rows may have changed since, and what was begun is carried on. `say` is told what takes time.

    Raises:
        UsageError: the selection names what isn't there, or a setting fits nothing.
        SourceError, SourceLostError: the source can't be read.

    """
    known = known or await look(source, config, say)
    options = PlanOptions(existing_parents=existing_parents, refused=refused or {})
    plan = plan_known(known, config, options)
    questions = [question for question in plan.questions if str(question.table) not in asked]
    if not questions:
        return replace(plan, questions=(), refused=options.refused)
    say(COUNTING)
    told, newly = announce(await source.answer(questions, plan.tables))
    if newly:
        options = replace(options, refused={**newly, **options.refused})
        plan = plan_known(known, config, options)
    return replace(
        plan,
        findings=_together(plan, told),
        questions=(),
        refused=options.refused,
    )


def _together(plan: Plan, told: list[Finding]) -> tuple[Finding, ...]:
    """The plan's findings and what was `told`, refusals first, nothing twice."""
    every = dict.fromkeys([*plan.findings, *told])
    return tuple(sorted(every, key=lambda finding: finding.severity is not Severity.REFUSAL))


def refusal_facts(refused: Mapping[QualifiedName, Finding]) -> dict[str, JSON]:
    """What a checkpoint remembers of the tables that answers kept from being moved."""
    return {
        str(name): [finding.what, finding.hint, finding.object, name.schema]
        for name, finding in refused.items()
    }


def refused_then(recorded: JSON) -> dict[QualifiedName, Finding]:
    """The tables of `refusal_facts`."""
    found: dict[QualifiedName, Finding] = {}
    for table, facts in members(recorded).items():
        texts = [str(fact) for fact in items(facts)]
        if len(texts) != 4:
            continue
        what, hint, of_what, schema = texts
        name = QualifiedName(schema, table.removeprefix(f"{schema}."))
        found[name] = Finding(Severity.REFUSAL, of_what, what, hint)
    return found
