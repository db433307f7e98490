"""From a source to its whole plan: catalog, plan, the questions that only rows answer, plan again.

`plan`, `schema`, `run --dry-run` and `run` all come this way, so that they say the same.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import field, replace
from typing import TYPE_CHECKING, Protocol

from streamer.config import Config
from streamer.errors import UsageError
from streamer.frozen import frozen
from streamer.model import (
    Answered,
    Catalog,
    Finding,
    Loading,
    OnError,
    OwnSql,
    PgType,
    Plan,
    QualifiedName,
    Question,
    Severity,
    Shaping,
    TablePlan,
)
from streamer.plan import PlanOptions, make_plan, settings_problems
from streamer.plan.announce import announce
from streamer.run.recorded import items, members
from streamer.run.trial import tried

if TYPE_CHECKING:
    from checkpoints import JSON

Answering = Callable[[Sequence[Question], Sequence[TablePlan]], Awaitable[list[Answered]]]
COUNTING = "counting what isn't carried over exactly"


def _silent(_: str) -> None:
    pass


@frozen
class Known:
    """What the plan needs to know of a source: its catalog, and what it says of the user's SQL."""

    catalog: Catalog
    expression_types: Mapping[tuple[QualifiedName, str], PgType] = field(
        default_factory=dict[tuple[QualifiedName, str], PgType]
    )
    own_sql: OwnSql = field(default_factory=OwnSql)


class Planned(Protocol):
    """A source that can be planned from."""

    async def catalog(self) -> Catalog:
        """All there is."""
        ...

    async def own_sql(self, shaping: Shaping, catalog: Catalog) -> OwnSql:
        """What the source says of the user's SQL."""
        ...

    async def answer(
        self, questions: Sequence[Question], tables: Sequence[TablePlan]
    ) -> list[Answered]:
        """How many rows each question is about."""
        ...


async def read_known(
    source: Planned, config: Config, say: Callable[[str], None] = _silent
) -> Known:
    """Read what the plan needs to know.

    Raises:
        UsageError: an expression is no SQL, or a condition may choose other rows each time.
        SourceError, SourceLostError: the source can't be read.

    """
    say("reading the catalog")
    catalog = await source.catalog()
    try:
        own_sql = await source.own_sql(config.shaping, catalog)
    except UsageError as error:
        more = settings_problems(catalog, config.selection, config.shaping)
        problems = dict.fromkeys([*more, *error.what.splitlines()])
        raise UsageError("\n".join(problems), hint=error.hint) from None
    return Known(catalog, own_sql.types, own_sql)


def plan_known(known: Known, config: Config, options: PlanOptions | None = None) -> Plan:
    """The plan of moving what `config` selects of a known catalog; its questions are still open.

    `options` say what isn't in the settings.

    Raises:
        UsageError: the selection names what isn't there, or a setting fits nothing.

    """
    options = replace(
        options or PlanOptions(),
        indexes=config.run.indexes,
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
    draft: Plan | None = None,
    answer: Answering | None = None,
    existing_parents: frozenset[str] = frozenset(),
    refused: Mapping[QualifiedName, Finding] | None = None,
    asked: Collection[str] = (),
    ask: bool = True,
    say: Callable[[str], None] = _silent,
) -> Plan:
    """The plan of moving what `config` selects, with everything that is to be said of it.

    `known` is what was read of the source already, `draft` the plan without any options that was made of
    that, and `answer` may know answers already. `existing_parents` are the tables that the target holds
    already. A run that goes on gives what it `refused` when it began, and the names of the tables that it `asked` about then: these aren't
    asked again, for rows may have changed since, and what was begun is carried on. Without `ask`,
    nothing is asked of the rows. `say` is told what takes time.

    Raises:
        UsageError: the selection names what isn't there, or a setting fits nothing.
        SourceError, SourceLostError: the source can't be read.

    """
    known = known or await read_known(source, config, say)
    options = PlanOptions(existing_parents=existing_parents, refused=refused or {})
    plan = draft if draft and options == PlanOptions() else plan_known(known, config, options)
    _refuse_moments(plan, known.own_sql.momentary)
    moved = {table.name for table in plan.tables}
    own = [finding for name, finding in known.own_sql.findings if name in moved]
    questions = [question for question in plan.questions if str(question.table) not in asked]
    if not (questions and ask):
        findings = _together(plan, own)
        return replace(plan, findings=findings, questions=(), refused=options.refused)
    say(COUNTING)
    told, newly = announce(
        await (answer or source.answer)(questions, plan.tables),
        rejects=config.run.on_error is OnError.REJECT,
    )
    if newly:
        options = replace(options, refused={**newly, **options.refused})
        plan = plan_known(known, config, options)
    return replace(
        plan,
        findings=_together(plan, [*own, *told]),
        questions=(),
        refused=options.refused,
    )


def _refuse_moments(plan: Plan, momentary: Collection[QualifiedName]) -> None:
    """Refuse a `where` that changes with the time for tables that are read twice.

    A row that the second reading doesn't choose would stay without its references.
    """
    twice = [
        str(table.name)
        for table in plan.tables
        if table.name in momentary and table.loading is not Loading.DIRECT
    ]
    if twice:
        raise UsageError(
            f"{', '.join(twice)}: its `where` speaks of the time or the session, and its rows are"
            " read twice, because its foreign keys form a cycle",
            hint="Write the moment as a constant, or give a foreign key up: exclude_foreign_keys.",
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
