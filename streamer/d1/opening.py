"""Opens a D1 database: finds it by id or name, and makes sure that the token may use it."""

from __future__ import annotations

import asyncio
import os
import random as dice
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit
from uuid import UUID

from streamer.config import PacingSettings, TargetSettings
from streamer.config.values import is_loopback
from streamer.d1 import api, failures
from streamer.d1.api import DatabaseInfo, Reply
from streamer.d1.caller import Call, Caller
from streamer.d1.clock import Clock, SystemClock
from streamer.d1.database import D1Database
from streamer.d1.failures import Failure, FailureKind
from streamer.d1.leases import Leases, unshared
from streamer.d1.loading import http_transport
from streamer.d1.observer import TargetObserver
from streamer.d1.pacer import Pacer
from streamer.d1.transport import Transport, checked_base_url, checked_token
from streamer.d1.window_file import WindowFile, WindowFileError, state_directory, token_key
from streamer.errors import TargetError
from streamer.model import Rate
from streamer.model.target import TargetIdentity
from streamer.pace import AdaptiveConcurrency, FixedConcurrency
from streamer.pack import BatchBytes

MOST_PAGES = 1_000


async def open_database(
    settings: TargetSettings,
    pacing: PacingSettings,
    observer: TargetObserver,
    *,
    clock: Clock | None = None,
    random: Callable[[], float] = dice.random,
    transport: Transport | None = None,
    state: Path | None = None,
    shared: bool = True,
    identity: TargetIdentity | None = None,
    stranger: bool = False,
) -> D1Database:
    """Connect to the database that `settings` name, by id or by name.

    `state` is the directory of the count that processes with the same token share (None: the
    user's state directory); without `shared` there is none. Behind another `transport` there may be
    another database, whose `identity` is given then. A `stranger` was never reached before: where its
    name has no address, that is said after a minute. The rest is for simulations.

    Raises:
        UsageError: the base URL, the account id or the token can't be one.
        TargetError: the token is refused, or the account has no such database.
        TargetUnavailableError: the API couldn't be reached for `give_up_after_s`, or a stranger's
            name not be resolved for a minute.
    """
    clock = clock or SystemClock()
    api.checked_id(settings.account_id, "CLOUDFLARE_ACCOUNT_ID")
    transport = transport or await _over_http(settings)
    leases = None
    if pacing.rate is not None and shared:
        leases = await _leases(settings, pacing.rate, clock, observer, state)
    caller = Caller(
        transport,
        Pacer(
            clock=clock,
            rate=pacing.rate,
            concurrency=(
                AdaptiveConcurrency()
                if pacing.concurrency is None
                else FixedConcurrency(pacing.concurrency)
            ),
            leases=leases,
            observer=observer,
            give_up_after_s=pacing.give_up_after_s,
            stranger=stranger,
        ),
        random=random,
        observer=observer,
        where=f"D1 database {settings.database}",
    )
    try:
        info = await _find(caller, settings, clock)
    except BaseException:
        await caller.aclose()
        raise
    return D1Database(
        caller,
        settings.account_id,
        info,
        batch_bytes=BatchBytes(pacing.batch_bytes),
        clock=clock,
        observer=observer,
        identity=identity,
    )


async def _over_http(settings: TargetSettings) -> Transport:
    transport = await asyncio.to_thread(http_transport)
    return transport(settings.api_base_url, settings.token, proxy=settings.proxy)


async def _leases(
    settings: TargetSettings,
    rate: Rate,
    clock: Clock,
    observer: TargetObserver,
    state: Path | None,
) -> Leases | None:
    """The shared count; None, and a warning, where it can't be had."""
    where = urlsplit(checked_base_url(settings.api_base_url))
    # A server on this machine counts for itself; whatever else may lead to Cloudflare.
    origin = where.netloc if is_loopback(where.hostname or "") else ""
    key = token_key(checked_token(settings.token), origin)
    try:
        directory = state or state_directory(os.environ)
        file = await asyncio.to_thread(WindowFile.open, directory, key, rate.requests)
    except WindowFileError as error:
        observer.warning(unshared(str(error)))
        return None
    return Leases(file, rate, clock, observer.warning)


async def _find(caller: Caller, settings: TargetSettings, clock: Clock) -> DatabaseInfo:
    """The database by its id, or by its exact name; what looks like an id is tried as one first."""
    account, wanted = settings.account_id, settings.database
    ways = (_by_id, _by_name) if _is_uuid(wanted) else (_by_name, _by_id)
    for way in ways:
        found = await way(caller, account, wanted, clock)
        if found is not None:
            return found
    raise TargetError(
        f"The account {account} has no D1 database with the id or name {wanted}",
        hint="Check D1_DATABASE_ID and CLOUDFLARE_ACCOUNT_ID",
    )


async def _by_id(caller: Caller, account: str, wanted: str, clock: Clock) -> DatabaseInfo | None:
    if not api.is_id(wanted):
        return None

    def read(reply: Reply) -> DatabaseInfo | Failure | None:
        found = api.envelope(reply)
        if found is not None:
            info = api.database(found)
            return info or failures.malformed(reply, "no database in the answer")
        failure = failures.of_reply(reply, clock.wall())
        return None if failure.kind is FailureKind.NO_DATABASE else failure

    found, _ = await caller.call(Call("GET", api.database_path(account, wanted)), read)
    return found


async def _by_name(caller: Caller, account: str, wanted: str, clock: Clock) -> DatabaseInfo | None:
    def read(reply: Reply) -> tuple[DatabaseInfo, ...] | Failure:
        found = api.envelope(reply)
        if found is None:
            return failures.of_reply(reply, clock.wall())
        listed = api.databases(found)
        return (
            failures.malformed(reply, "no list of databases in the answer")
            if listed is None
            else listed
        )

    for page in range(1, MOST_PAGES + 1):
        listed, _ = await caller.call(Call("GET", api.search_path(account, wanted, page)), read)
        named = next((info for info in listed if info.name == wanted), None)
        if named is not None or len(listed) < api.PAGE:
            return named
    return None


def _is_uuid(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True
