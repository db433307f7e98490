"""What a checkpoint remembers of tables that their rows kept from being moved."""

from hypothesis import given
from hypothesis import strategies as st

from streamer.model import Finding, QualifiedName, Severity
from streamer.run.planning import refusal_facts, refused_then

_NAMES = st.text(alphabet='ab."é ', min_size=1, max_size=6)


@given(_NAMES, _NAMES, st.text(max_size=20))
def test_what_was_refused_comes_back_from_the_checkpoint(schema: str, table: str, what: str):
    refused = {
        QualifiedName(schema, table): Finding(Severity.REFUSAL, f"{schema}.{table}.t", what, "do")
    }

    assert refused_then(refusal_facts(refused)) == refused


def test_a_checkpoint_that_says_nothing_of_it_refused_nothing():
    assert refused_then(None) == {}
    assert refused_then({"public.a": ["what"]}) == {}
