"""The last filter of what is written."""

import io
import json
from collections.abc import Callable
from urllib.parse import quote, quote_plus

from hypothesis import given
from hypothesis import strategies as st

from streamer.cli.redact import HIDDEN, GuardedStream, Redactor, guarded_stderr

AROUND = st.text("<>", max_size=3)
SECRETS = st.text(
    st.characters(exclude_categories=("Cs",), exclude_characters="<>*"), min_size=4, max_size=40
)


def in_url(text: str) -> str:
    return quote(text, safe="")


def in_json(text: str) -> str:
    return json.dumps(text)[1:-1]


def in_python(text: str) -> str:
    return repr(text)[1:-1]


@given(
    SECRETS, st.sampled_from([str, quote, quote_plus, in_url, in_json, in_python]), AROUND, AROUND
)
def test_a_secret_is_hidden_however_it_is_written(
    secret: str, spell: Callable[[str], str], before: str, after: str
) -> None:
    hidden = Redactor([secret])(before + spell(secret) + after)

    assert hidden == before + HIDDEN + after


def test_a_dsn_is_hidden_as_a_whole() -> None:
    dsn = "postgresql://me:hunter2@db/shop"

    assert Redactor(["hunter2", dsn])(f"connecting to {dsn}!") == "connecting to ***!"


def test_what_is_too_short_to_be_a_secret_blots_out_nothing() -> None:
    assert Redactor(["", "a"])("a table") == "a table"


def test_secrets_that_become_known_later_are_hidden_from_then_on() -> None:
    redact = Redactor()
    redact.add(["hunter2"])

    assert redact("hunter2") == HIDDEN


def test_a_stream_hides_secrets_and_passes_the_rest_on() -> None:
    below = io.StringIO()
    stream = GuardedStream(below, Redactor(["hunter2"]))

    print("the password", "hunter2", file=stream, flush=True)

    assert below.getvalue() == "the password ***\n"
    assert not stream.isatty()


def test_a_stream_that_is_not_there_swallows_what_is_written() -> None:
    stream = GuardedStream(None, Redactor())

    print("nobody hears", file=stream, flush=True)

    assert stream.encoding == "utf-8"


def test_stderr_is_put_back(capsys) -> None:
    import sys  # noqa: PLC0415 (pytest exchanges it)

    before = sys.stderr
    with guarded_stderr(Redactor(["hunter2"])):
        sys.stderr.write("hunter2\n")

    assert sys.stderr is before
    assert capsys.readouterr().err == "***\n"
