"""Where PostgreSQL is: a DSN or parts, what libpq's names add, and `.pgpass`."""

from __future__ import annotations

import getpass
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Protocol, TypeVar
from urllib.parse import parse_qs, unquote, urlsplit

from streamer.config import known, passfile
from streamer.config.known import Setting
from streamer.config.layers import Given
from streamer.config.settings import SourceSettings
from streamer.frozen import frozen
from streamer.model import Secret

T = TypeVar("T")


class Lookup(Protocol):
    """Finds settings, and keeps what is to be said about them."""

    problems: list[str]
    warnings: list[str]

    def given(self, setting: Setting[object]) -> Given | None:
        """Who gave a setting, if anyone."""
        ...

    def variable(self, name: str) -> Given | None:
        """An environment variable that is no setting."""
        ...

    def optional(self, setting: Setting[T]) -> T | None:
        """A setting's value, None where nobody gave it."""
        ...


@frozen
class Source:
    """The settings, and the secrets in them one by one (a DSN's password too)."""

    settings: SourceSettings
    secrets: tuple[Secret, ...]


@frozen
class Dsn:
    """What a connection URI says; None is what it leaves open."""

    host: str | None
    port: int | None
    database: str | None
    user: str | None
    password: str | None
    sslmode: str | None
    sslrootcert: str | None


def read_dsn(text: str) -> Dsn:
    """The parts of a valid URI; parameters behind `?` count where the part before says nothing.

    Several hosts are one text with commas; a port that isn't a single number is None.
    """
    parts = urlsplit(text)
    more = {name: found[-1] for name, found in parse_qs(parts.query).items()}
    login, _, address = parts.netloc.rpartition("@")
    user, _, password = login.partition(":")
    try:
        port = parts.port
    except ValueError:
        port = None
    host = address if "," in address else (parts.hostname or "")
    more_port = more.get("port", "")
    return Dsn(
        host=unquote(host) or more.get("host"),
        port=port or (int(more_port) if more_port.isdecimal() else None),
        database=unquote(parts.path.lstrip("/")) or more.get("dbname") or more.get("database"),
        user=unquote(user) or more.get("user"),
        password=unquote(password) or more.get("password"),
        sslmode=more.get("sslmode"),
        sslrootcert=more.get("sslrootcert"),
    )


def resolve_source(look: Lookup, environ: Mapping[str, str]) -> Source:
    """The source's settings; where nothing says which database, that is a problem."""
    before = len(look.problems)
    given = look.given(known.DSN)
    dsn = look.optional(known.DSN) if given is not None else None
    said = read_dsn(dsn.reveal()) if dsn is not None else None
    parts = _parts(look, given, said)
    if said is None and given is None and len(look.problems) == before:
        _require(look, parts)
    effective = _effective(parts, said)
    if effective.password is None and len(look.problems) == before:
        parts = replace(parts, password=_from_passfile(look, effective, environ))
    settings = replace(parts, dsn=dsn)
    password = Secret(said.password) if said is not None and said.password else settings.password
    return Source(settings, tuple(secret for secret in (dsn, password) if secret is not None))


def _parts(look: Lookup, dsn: Given | None, said: Dsn | None) -> SourceSettings:
    """The parts given beside a DSN, or without one.

    A DSN outweighs the parts from places below its own. A part from its own place or above that
    says again what the DSN says is a problem: nobody could tell which one was meant.
    """

    def part(setting: Setting[T], name: str) -> T | None:
        given = look.given(setting)
        if given is None or dsn is None:
            return look.optional(setting)
        twice = said is not None and getattr(said, name) is not None
        if setting.libpq and given.where.startswith(setting.libpq + " "):
            return None if twice else look.optional(setting)
        if twice and given.place <= dsn.place:
            look.problems.append(
                f"{given.where} and {dsn.where}: both say the same thing; remove one of them"
            )
        return None if twice else look.optional(setting)

    return SourceSettings(
        host=part(known.HOST, "host"),
        port=part(known.PORT, "port"),
        database=part(known.DATABASE, "database"),
        user=part(known.USER, "user"),
        password=part(known.PASSWORD, "password"),
        sslmode=part(known.SSL_MODE, "sslmode"),
        sslrootcert=part(known.SSL_ROOT_CERT, "sslrootcert"),
    )


def _require(look: Lookup, parts: SourceSettings) -> None:
    if parts.host is None and parts.database is None:
        look.problems.append(
            "POSTGRES_DSN: not set; set it to postgresql://USER:PASSWORD@HOST:PORT/DATABASE,"
            " or set POSTGRES_HOST, POSTGRES_DB, POSTGRES_USER and POSTGRES_PASSWORD"
        )
    elif parts.database is None:
        look.problems.append("POSTGRES_DB: not set; set it to the name of the database to read")


def _effective(parts: SourceSettings, said: Dsn | None) -> SourceSettings:
    if said is None:
        return parts
    return SourceSettings(
        host=said.host or parts.host,
        port=said.port or parts.port,
        database=said.database or parts.database,
        user=said.user or parts.user,
        password=Secret(said.password) if said.password else parts.password,
    )


def _from_passfile(
    look: Lookup, settings: SourceSettings, environ: Mapping[str, str]
) -> Secret | None:
    given = look.variable("PGPASSFILE")
    home = environ.get("HOME")
    if given is None and not home:
        return None
    path = Path(given.texts[0]) if given is not None else Path(home or "/") / ".pgpass"
    user = settings.user or _own_name()
    text, warning = passfile.load(path)
    if warning:
        look.warnings.append(warning)
    return passfile.find(
        text,
        host=settings.host,
        port=settings.port,
        database=settings.database or user,
        user=user,
    )


def _own_name() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return ""
