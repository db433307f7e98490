"""Settings that shape rows stay as they were when the run began, or it is said which did not."""

from __future__ import annotations

from dataclasses import replace

import orjson
import pytest

from streamer.errors import UsageError
from streamer.model import Secret, TablePlan
from streamer.run.chosen import check_hash_key, chosen_facts, differing, hash_key_facts, other_code
from tests.engines.catalogs import TEXT, column, identified, plan_of

(PLAN,) = plan_of(identified("shop", column("name", TEXT), column("street", TEXT))).tables
KEY, OTHER = Secret("canary of 16 letters"), Secret("canary of 17 letters")


def changed(now: TablePlan) -> list[str]:
    then = orjson.loads(orjson.dumps(chosen_facts(PLAN)))
    return differing(chosen_facts(now), then)


def with_name(**changes: str) -> TablePlan:
    first, name, street = PLAN.columns
    return replace(PLAN, columns=(first, replace(name, **changes), street))


@pytest.mark.parametrize(
    ("now", "said"),
    [
        (PLAN, []),
        (replace(PLAN, where=" \n"), []),
        (replace(PLAN, where="id > 5"), ["where"]),
        (replace(PLAN, transform="m:f", target="store"), ["transform", "rename"]),
        (with_name(target="called"), ["rename of name"]),
        (
            with_name(read_sql="lower(t.name)"),
            ["how name is read (expression, mask or type options)"],
        ),
        (replace(PLAN, columns=PLAN.columns[:2]), []),
    ],
)
def test_each_setting_that_changed_is_named(now: TablePlan, said: list[str]) -> None:
    assert changed(now) == said


def test_nothing_is_said_of_a_checkpoint_that_knows_no_settings() -> None:
    assert differing(chosen_facts(PLAN), None) == []


def test_the_texts_of_settings_are_not_remembered() -> None:
    facts = chosen_facts(replace(PLAN, where="name = 'canary'"))

    assert "canary" not in str(facts)


def test_a_run_goes_on_with_the_key_that_it_began_with_and_no_other() -> None:
    then = hash_key_facts(KEY, "run")

    check_hash_key(KEY, "run", then)
    for other in (OTHER, None):
        with pytest.raises(UsageError, match="another key"):
            check_hash_key(other, "run", then)
    check_hash_key(None, "run", hash_key_facts(None, "run"))
    assert "canary" not in str(then)
    assert then != hash_key_facts(KEY, "another run")


def test_other_code_behind_the_same_name_is_told_where_it_is_known() -> None:
    now = {"m:f": "abc", "m:g": "def", "compiled:h": "", "new:f": "123"}

    told = other_code(now, {"m:f": "abc", "m:g": "xyz", "compiled:h": "uvw", "gone:f": "1"})

    (said,) = told
    assert "transform m:g changed" in said
    assert other_code(now, None) == []
