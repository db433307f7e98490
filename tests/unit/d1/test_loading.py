"""What goes on while aiohttp is loaded: which TLS contexts read the system's certificates, who has Python's lock."""

from __future__ import annotations

import asyncio
import gc
import ssl
import sys
from pathlib import Path
from threading import Event

import pytest

from streamer.d1 import loading
from streamer.d1.http import HttpTransport
from streamer.d1.loading import (
    QUICK_TURN_S,
    begin_to_load_http,
    http_transport,
    unread_where_unchecked,
)

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


async def test_loading_lets_others_have_their_turns_soon_and_leaves_all_as_it_was(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before, loaded, go_on = sys.getswitchinterval(), Event(), Event()
    others = loading.unread_where_unchecked

    def slowly() -> object:
        loaded.set()
        go_on.wait(60)
        return others()

    monkeypatch.setattr(loading, "unread_where_unchecked", slowly)
    begin_to_load_http()
    await asyncio.to_thread(loaded.wait, 60)
    meanwhile = sys.getswitchinterval()
    go_on.set()

    assert await asyncio.to_thread(http_transport) is HttpTransport
    assert meanwhile == pytest.approx(QUICK_TURN_S)
    assert sys.getswitchinterval() == before


async def test_what_goes_wrong_is_told_to_who_needs_it_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told: list[dict[str, object]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context))
    monkeypatch.setitem(sys.modules, "streamer.d1.http", None)

    begin_to_load_http()
    with pytest.raises(ImportError):
        await asyncio.to_thread(http_transport)
    await asyncio.sleep(0)
    gc.collect()

    assert told == []
