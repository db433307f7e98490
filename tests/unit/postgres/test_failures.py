"""Which errors pass, and what is said about those that don't."""

import socket
import ssl

import asyncpg
import pytest

from streamer.errors import SourceChangedError, SourceError, SourceLostError, StreamerError
from streamer.postgres.failures import FOREIGN, HostLostError, Place, explain, retryable

PLACE = Place("db.example:5432", "shop", "reader", "reading public.orders")


def postgres_error(
    state: str, message: str = "told in the server's words"
) -> asyncpg.PostgresError:
    fields = {
        "S": "ERROR",
        "C": state,
        "M": message,
        "D": "Key (email)=(canary@example.org) is bad",
    }
    return asyncpg.PostgresError.new(fields)


@pytest.mark.parametrize(
    "state",
    [
        "08006",
        "08003",
        "57P01",
        "57P02",
        "57P03",
        "57P05",
        "25P03",
        "53300",
        "40001",
        "40P01",
        "55P03",
        "57014",
    ],
)
def test_what_passes_is_tried_again(state: str):
    assert retryable(postgres_error(state))


@pytest.mark.parametrize(
    "state",
    ["28P01", "28000", "42501", "42P01", "42703", "3D000", "22021", "58030", "XX001", "0A000"],
)
def test_what_does_not_pass_is_not_tried_again(state: str):
    assert not retryable(postgres_error(state))


@pytest.mark.parametrize(
    ("error", "again"),
    [
        (ConnectionResetError(104, "reset"), True),
        (ConnectionRefusedError(111, "refused"), True),
        (TimeoutError(), True),
        (asyncpg.InterfaceError("connection is closed"), True),
        (asyncpg.InternalClientError("cannot switch to state 16"), True),
        (asyncpg.InterfaceError("cursor cannot be created outside of a transaction"), False),
        (socket.gaierror(socket.EAI_AGAIN, "again"), True),
        (socket.gaierror(socket.EAI_NONAME, "no such name"), False),
        (HostLostError(socket.EAI_NONAME, "no such name any more"), True),
        (ssl.SSLCertVerificationError("bad"), False),
        (PermissionError(13, "no"), False),
        (ValueError("ours"), False),
    ],
)
def test_the_network_may_heal_and_our_own_faults_do_not(error: Exception, *, again: bool):
    assert retryable(error) is again


@pytest.mark.parametrize(
    ("error", "kind", "words"),
    [
        (postgres_error("28P01"), SourceError, 'the password of user "reader"'),
        (postgres_error("3D000"), SourceError, 'The database "shop"'),
        (postgres_error("53300"), SourceLostError, "no connection left"),
        (postgres_error("42P01"), SourceChangedError, "A table is gone, reading public.orders"),
        (postgres_error("42703"), SourceChangedError, "A column is gone"),
        (postgres_error("0A000"), SourceChangedError, "A table's definition changed"),
        (postgres_error("40001"), SourceLostError, "standby"),
        (postgres_error("57P01"), SourceLostError, "57P01"),
        (postgres_error("22012"), SourceError, "can't compute a value, reading public.orders"),
        (postgres_error("58030"), SourceError, "58030"),
        (postgres_error("42501", "permission denied"), SourceError, "may not read"),
        (
            postgres_error("42501", "query would be affected by row-level security policy"),
            SourceError,
            "Row-level security",
        ),
        (socket.gaierror(socket.EAI_NONAME, "x"), SourceError, "isn't known."),
        (socket.gaierror(socket.EAI_AGAIN, "x"), SourceLostError, "isn't known for now"),
        (HostLostError(socket.EAI_NONAME, "x"), SourceLostError, "isn't known for now"),
        (TimeoutError(), SourceLostError, "doesn't answer"),
        (ConnectionRefusedError(111, "x"), SourceLostError, "Nothing listens at db.example:5432"),
        (ConnectionResetError(104, "x"), SourceLostError, "closed the connection"),
        (ssl.SSLError(1, "x"), SourceError, "TLS"),
        (asyncpg.InternalClientError("x"), SourceLostError, "closed the connection"),
    ],
)
def test_each_error_becomes_a_sentence_with_a_hint_and_no_rows(
    error: Exception, kind: type[StreamerError], words: str
):
    said = explain(error, PLACE)

    assert isinstance(error, FOREIGN)
    assert type(said) is kind
    assert words in said.what
    assert said.what.endswith(".")
    assert said.hint
    assert "canary" not in str(said)


def test_our_own_errors_pass_through_untouched():
    ours = SourceError("ours")

    assert explain(ours, PLACE) is ours
