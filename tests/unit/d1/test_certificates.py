"""Which TLS contexts read the system's certificates while aiohttp is loaded."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest

from streamer.d1.certificates import unread_where_unchecked

SYSTEMS = Path(__file__).with_name("self_signed.pem")


@pytest.fixture(autouse=True)
def system(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its certificates are one."""
    monkeypatch.setenv("SSL_CERT_FILE", str(SYSTEMS))


def unchecked() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_default_verify_paths()
    return context


def test_contexts_that_check_nothing_read_none_meanwhile_and_others_do() -> None:
    with unread_where_unchecked():
        without, checking = unchecked(), ssl.create_default_context()
    afterwards = unchecked()

    known = [context.cert_store_stats()["x509"] for context in (without, checking, afterwards)]
    assert known == [0, 1, 1]


def test_nothing_stays_behind_even_where_loading_fails() -> None:
    before = dict(vars(ssl.SSLContext))

    with pytest.raises(ImportError), unread_where_unchecked():
        raise ImportError

    assert dict(vars(ssl.SSLContext)) == before
