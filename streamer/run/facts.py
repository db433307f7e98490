"""What a run's ledger says of the run and its tables, beside which keys have come (pure).

It is what a checkpoint can't be made anew without: which source it was, what the tables were like, what
stood in their places before. A plan that has a table's fingerprint knows the rest.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import orjson

from streamer.model import TablePlan
from streamer.pack import OF_THE_RUN
from streamer.run import steps
from streamer.run.journal import Journal
from streamer.run.recorded import members
from streamer.run.states import Work

if TYPE_CHECKING:
    from checkpoints import JSON

_RUN = (
    "tool_version", "command", "started_at", "source", "refused", "settings", "takes_over",
    "transforms", "bookmark",
)  # fmt: skip
_TABLE = (
    "oid", "relfilenode", "fingerprint", "collations", "loading", "found", "emptied", "remade",
    "again", "had_indexes", "counter",
)  # fmt: skip


def ledger_facts(journal: Journal, tables: Sequence[TablePlan]) -> dict[str, str]:
    """The facts of the journal's run, by target table, as the ledger is to hold them."""
    run = journal.running.document
    views = {
        name.table: step.document for name, step in journal.steps.items() if name.work is Work.VIEW
    }
    facts = {OF_THE_RUN: _text({**_picked(run, _RUN), "views": views})}
    for table in tables:
        step = journal.steps[steps.rows_step(table)].document
        facts[table.target] = _text({"name": str(table.name), **_picked(step, _TABLE)})
    return facts


def parsed(text: str) -> Mapping[str, JSON]:
    """One of these texts; empty where it isn't one."""
    try:
        return members(orjson.loads(text))
    except orjson.JSONDecodeError:
        return {}


def _picked(facts: Mapping[str, JSON], names: Sequence[str]) -> dict[str, JSON]:
    return {name: facts[name] for name in names if name in facts}


def _text(facts: Mapping[str, JSON]) -> str:
    return orjson.dumps(facts).decode()
