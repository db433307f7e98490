"""Where a source is and how its connection is protected; settings in, decisions out."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

from streamer.config import SourceSettings, values
from streamer.errors import UsageError
from streamer.frozen import frozen
from streamer.model import Secret

DEFAULT_PORT = 5432
SYSTEM_STORE = "system"
MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
# Parts of a URL that have no setting of their own and no meaning for what we do with a session.
IGNORED = ("application_name", "client_encoding", "connect_timeout", "fallback_application_name")
HANDLED = ("host", "port", "dbname", "user", "password", "sslmode", "sslrootcert")
KEY_FILES = ("sslcert", "sslkey")


@frozen
class Address:
    """A source as it will be connected to; None leaves a part to libpq's default.

    `hosts` and `ports` run side by side and are tried in order; a host that begins with a slash is
    a socket folder. `sslmode` is None where nobody wrote one.
    """

    hosts: tuple[str, ...] = ()
    ports: tuple[int, ...] = ()
    database: str | None = None
    user: str | None = None
    password: Secret | None = None
    sslmode: str | None = None
    sslrootcert: str | None = None
    sslcert: str | None = None
    sslkey: str | None = None

    @property
    def where(self) -> str:
        """Host and port for messages, without user or password."""
        places = [
            f"the socket in {host} (port {port})" if host.startswith("/") else f"{host}:{port}"
            for host, port in zip(self.hosts, self.ports, strict=True)
        ]
        return ", ".join(places) or "the local socket"


def resolve(settings: SourceSettings) -> Address:
    """The address that `settings` describe; a part written beside a DSN fills what it leaves open.

    Raises:
        UsageError: the DSN can't be understood.
    """
    given = _parts(settings.dsn.reveal()) if settings.dsn is not None else {}
    hosts = [host for host in given.get("host", settings.host or "").split(",") if host]
    password = given.get("password")
    return Address(
        hosts=tuple(hosts),
        ports=_ports(given.get("port", ""), settings.port, len(hosts)),
        database=given.get("dbname", settings.database),
        user=given.get("user", settings.user),
        password=Secret(password) if password is not None else settings.password,
        sslmode=_mode(given.get("sslmode", settings.sslmode)),
        sslrootcert=given.get("sslrootcert", settings.sslrootcert),
        sslcert=given.get("sslcert"),
        sslkey=given.get("sslkey"),
    )


def _mode(mode: str | None) -> str | None:
    if mode is not None and mode not in MODES:
        raise UsageError(
            "The sslmode of the source isn't one that exists.",
            hint=f"Write one of {', '.join(MODES)}.",
        )
    return mode


def _parts(dsn: str) -> dict[str, str]:
    """What a URL says, by libpq's names; messages never quote it, because it holds a password."""
    try:
        url = urlsplit(dsn)
        query = dict(parse_qsl(url.query, strict_parsing=True) if url.query else [])
        places = [_place(part) for part in url.netloc.rpartition("@")[2].split(",")]
    except ValueError:
        raise UsageError(
            "The DSN of the source can't be understood.",
            hint="Percent-encode what isn't a letter or a digit in its user and password.",
        ) from None
    if url.scheme not in ("postgresql", "postgres"):
        raise UsageError(
            "The DSN of the source doesn't begin with postgresql://.",
            hint="Write postgresql://USER@HOST:PORT/DATABASE.",
        )
    unknown = sorted(set(query) - {*HANDLED, *IGNORED, *KEY_FILES})
    if unknown:
        raise UsageError(
            f"The DSN of the source holds {', '.join(unknown)}, which isn't supported.",
            hint="Leave it out; the session's settings are chosen so that values come exactly.",
        )
    user, _, password = url.netloc.rpartition("@")[0].partition(":")
    said = {
        "host": ",".join(host for host, _ in places),
        "port": ",".join(port for _, port in places),
        "dbname": unquote(url.path.removeprefix("/")),
        "user": unquote(user),
        "password": unquote(password),
    }
    return {name: value for name, value in {**said, **query}.items() if value.strip(",")}


def _place(text: str) -> tuple[str, str]:
    """Host and port of `host:port`, `[::1]:port` or an encoded socket folder."""
    if text.startswith("["):
        host, _, rest = text[1:].partition("]")
        return host, rest.removeprefix(":")
    host, _, port = text.partition(":")
    return unquote(host), port


def _ports(written: str, single: int | None, hosts: int) -> tuple[int, ...]:
    texts = written.split(",") if written else [str(single or "")]
    try:
        ports = [int(text or single or DEFAULT_PORT) for text in texts]
    except ValueError:
        raise UsageError(
            "A port of the source isn't a number.",
            hint="Write one from 1 to 65535; a / in a DSN's password is written %2F, a # %23, a ? %3F.",
        ) from None
    if len(ports) == 1:
        ports *= max(hosts, 1)
    if hosts and len(ports) != hosts:
        raise UsageError(
            f"The source has {hosts} hosts and {len(ports)} ports.",
            hint="Write one port for all, or one for each host.",
        )
    return tuple(ports)


def is_loopback(host: str) -> bool:
    """Whether what is sent to `host` never leaves this machine."""
    return host.startswith("/") or values.is_loopback(host)


@frozen
class Protection:
    """What TLS must do. `mode` is one of MODES; `root` is a file, or None for the system's store.

    `warning` says what an outsider could do, where the chosen mode lets them.
    """

    mode: str
    root: Path | None = None
    warning: str = ""


def protection(address: Address, home: Path | None) -> Protection:
    """Verify everything, except on loopback, and except where less was asked for in writing.

    `home` is where libpq keeps `.postgresql/root.crt`; None where there is no home.
    """
    remote = [host for host in address.hosts if not is_loopback(host)]
    root = _root(address.sslrootcert, home)
    mode = address.sslmode or ("verify-full" if remote else "prefer")
    if mode == "require" and address.sslrootcert not in (None, SYSTEM_STORE):
        mode = "verify-ca"  # as libpq: a root certificate that was named is used
    if not remote or mode == "verify-full":
        return Protection(mode, root)
    risk = {
        "verify-ca": "doesn't check that the certificate was made for that host",
        "require": "doesn't check who is answering",
    }.get(mode, "may travel unencrypted")
    return Protection(
        mode,
        root,
        f"The connection to {address.where} {risk} (sslmode={mode}). "
        "Write sslmode=verify-full, with sslrootcert where the server's certificate is your own.",
    )


def _root(written: str | None, home: Path | None) -> Path | None:
    if written == SYSTEM_STORE:
        return None
    if written:
        return Path(written)
    usual = home / ".postgresql" / "root.crt" if home is not None else None
    return usual if usual is not None and usual.exists() else None
