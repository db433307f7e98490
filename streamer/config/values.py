"""Settings' texts → values; what can't be read is refused with what to write instead.

Every parser takes a text and returns its value, or raises ValueError with a sentence that follows
`<where it came from>: `. No message holds a secret.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import TypeVar
from urllib.parse import unquote, urlsplit

from streamer.config.settings import FileTarget, WranglerTarget
from streamer.limits import BATCH_STATEMENTS
from streamer.model import Rate, Secret

Choice = TypeVar("Choice", bound=StrEnum)
Word = TypeVar("Word", bound=str)

SSL_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
MOST_CONCURRENCY = 256
LEAST_HASH_KEY = 16
LEAST_BATCH_BYTES = 1_000
MOST_BATCH_BYTES = 100_000_000
LEAST_LOG_BYTES = 4_096

HASH_KEY_ADVICE = "write what `openssl rand -hex 32` prints"

_ID = r"[A-Za-z0-9_-]{1,64}"
_DURATION = r"([0-9]{1,9}) ?([smh])"
_RATE = r"([0-9]{1,9})/([0-9]{1,9}(?:\.[0-9]{1,3})?)"
_BYTES = r"([0-9]{1,12}) ?(B|KB|KIB|MB|MIB)?"
_SECONDS = {"s": 1.0, "m": 60.0, "h": 3600.0}
_UNITS = {"B": 1, "KB": 1_000, "MB": 1_000_000, "KIB": 1 << 10, "MIB": 1 << 20}
_TRUE = {"true": True, "1": True, "yes": True, "on": True}
_FALSE = {"false": False, "0": False, "no": False, "off": False}


def shown(text: str) -> str:
    """A value in quotes for a message: short, on one line, nothing unprintable.

    What may be an URI with a password in it, put where it doesn't belong, isn't shown.
    """
    if "://" in text or "@" in text:
        return "the value"
    cut = text if len(text) <= 60 else text[:57] + "..."
    return repr(cut)


def integer(low: int, high: int, what: str) -> Callable[[str], int]:
    """A parser of whole numbers from `low` to `high`; `what` says what isn't one."""

    def parse(text: str) -> int:
        if not re.fullmatch(r"[+-]?[0-9]{1,18}", text):
            raise ValueError(f"{shown(text)} is not {what}; write a number from {low} to {high}")
        if not low <= (number := int(text)) <= high:
            raise ValueError(f"{number} is not {what}; write a number from {low} to {high}")
        return number

    return parse


def batch_size(text: str) -> int:
    """Statements with rows in a batch: 1 to what a request may hold."""
    advice = f"write a number from 1 to {BATCH_STATEMENTS}"
    if not re.fullmatch(r"[+-]?[0-9]{1,18}", text):
        raise ValueError(f"{shown(text)} is not a number; {advice}")
    if (number := int(text)) > BATCH_STATEMENTS:
        raise ValueError(f"{number} is more than D1 takes in one request; {advice}")
    if number < 1:
        raise ValueError(f"{number} statements carry nothing; {advice}")
    return number


def batch_bytes(text: str) -> int | None:
    """Bytes of a request's body at most, `2MB`, `512KiB` or a plain number; `auto` is None."""
    if text.lower() == "auto":
        return None
    if (match := re.fullmatch(_BYTES, text.upper())) is None:
        raise ValueError(f"{shown(text)} is not a size; write bytes as 2000000 or 2MB, or auto")
    size = int(match[1]) * _UNITS[match[2] or "B"]
    if not LEAST_BATCH_BYTES <= size <= MOST_BATCH_BYTES:
        raise ValueError(
            f"{size} bytes is out of range; write {LEAST_BATCH_BYTES} to {MOST_BATCH_BYTES}, or auto"
        )
    return size


def log_bytes(text: str) -> int:
    """The size that a log file may have, as `10MB`, `512KiB` or a plain number of bytes."""
    if (match := re.fullmatch(_BYTES, text.upper())) is None:
        raise ValueError(f"{shown(text)} is not a size; write bytes as 10000000 or 10MB")
    size = int(match[1]) * _UNITS[match[2] or "B"]
    if size < LEAST_LOG_BYTES:
        raise ValueError(f"{size} bytes is too small; write {LEAST_LOG_BYTES} or more")
    return size


def concurrency(text: str) -> int | None:
    """Requests in flight at most, or `auto` (None)."""
    if text.lower() == "auto":
        return None
    try:
        return integer(1, MOST_CONCURRENCY, "a number of requests")(text)
    except ValueError as error:
        raise ValueError(f"{error}, or auto") from None


def rate(text: str) -> Rate | None:
    """`N/SECONDS`: N requests in any span of so many seconds; `none` is None."""
    if text.lower() == "none":
        return None
    match = re.fullmatch(_RATE, text)
    if match is None or int(match[1]) < 1 or float(match[2]) <= 0:
        raise ValueError(
            f"{shown(text)} is not a rate; write requests/seconds, for example 1080/300, or none"
        )
    return Rate(int(match[1]), float(match[2]))


def duration(text: str) -> float:
    """Seconds of `90s`, `30m` or `6h`; more than none."""
    match = re.fullmatch(_DURATION, text.lower())
    if match is None or int(match[1]) == 0:
        raise ValueError(f"{shown(text)} is not a duration; write for example 90s, 30m or 6h")
    return int(match[1]) * _SECONDS[match[2]]


def choice(kind: type[Choice]) -> Callable[[str], Choice]:
    """A parser of one of `kind`'s values."""

    def parse(text: str) -> Choice:
        try:
            return kind(text.lower())
        except ValueError:
            known = one_of([member.value for member in kind])
            raise ValueError(f"{shown(text)} is not known; write {known}") from None

    return parse


def word(*choices: Word) -> Callable[[str], Word]:
    """A parser of one of `choices`."""

    def parse(text: str) -> Word:
        for known in choices:
            if text.lower() == known:
                return known
        raise ValueError(f"{shown(text)} is not known; write {one_of([*choices])}")

    return parse


def one_of(words: list[str]) -> str:
    """`a`, `a or b`, `a, b or c`."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"


def flag(text: str) -> bool:
    """True or false, in the words people use in environment variables."""
    found = _TRUE.get(text.lower(), _FALSE.get(text.lower()))
    if found is None:
        raise ValueError(f"{shown(text)} is neither true nor false; write true or false")
    return found


def path(text: str) -> Path:
    """A file's path; `~` is the user's folder."""
    if not text or "\0" in text:
        raise ValueError(f"{shown(text)} is not a file name; write a path")
    try:
        return Path(text).expanduser()
    except RuntimeError:
        raise ValueError(f"{shown(text)}: no such user; write the path without ~") from None


def target(text: str) -> FileTarget | WranglerTarget | None:
    """Where the tables go: `d1` (None), `sqlite:FILE` or `wrangler:DIR`."""
    kind, _, place = text.partition(":")
    if kind.lower() == "sqlite" and place:
        return FileTarget(path(place))
    if kind.lower() == "wrangler" and place:
        return WranglerTarget(path(place))
    if text.lower() != "d1":
        raise ValueError(f"{shown(text)} is not a target; write d1, sqlite:FILE or wrangler:DIR")
    return None


def pattern(text: str) -> str:
    """A glob over table or schema names."""
    if not text.strip() or "\0" in text:
        raise ValueError(f"{shown(text)} names no table; write a name or a glob such as 'sales_*'")
    return text


def cloudflare_id(text: str) -> str:
    """An id that is safe in an URL's path; a database may also be given by such a name."""
    if not re.fullmatch(_ID, text):
        raise ValueError(
            f"{shown(text)} is not an id; write up to 64 of the characters A-Z, a-z, 0-9, _ and -"
        )
    return text


def token(text: str) -> Secret:
    """An API token: one word of printable ASCII, sent as it is."""
    if text.lower().startswith("bearer "):
        raise ValueError("the token starts with 'Bearer '; write the token alone")
    if not re.fullmatch(r"[\x21-\x7e]{1,4096}", text):
        raise ValueError(
            "the token has spaces or characters that no token has; copy it again from"
            " dash.cloudflare.com/profile/api-tokens"
        )
    return Secret(text)


def password(text: str) -> Secret:
    """Any text that PostgreSQL can take as a password."""
    if "\0" in text:
        raise ValueError("the password holds a zero byte, which PostgreSQL doesn't take")
    return Secret(text)


def hash_key(text: str) -> Secret:
    """The key of the mask `hash`: any text that can't be guessed."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError(f"the key is not UTF-8 text; {HASH_KEY_ADVICE}") from None
    if len(text) < LEAST_HASH_KEY:
        raise ValueError(
            f"the key has {len(text)} characters, it takes at least {LEAST_HASH_KEY};"
            f" {HASH_KEY_ADVICE}"
        )
    return Secret(text)


def dsn(text: str) -> Secret:
    """A connection URI; what else libpq takes (`host=… dbname=…`) is refused with how to write it."""
    advice = (
        "write postgresql://USER:PASSWORD@HOST:PORT/DATABASE, with %40 for an @ in the password"
    )
    try:
        parts = urlsplit(text)
        hosts = unquote(parts.hostname or "")
    except ValueError:
        raise ValueError(f"it is not a connection URI; {advice}") from None
    if parts.scheme not in {"postgres", "postgresql"} or not text.partition("://")[1]:
        raise ValueError(f"it is not a connection URI; {advice}")
    if not all(map(is_hostname, hosts.split(","))):
        raise ValueError(f"its host can't be one; {advice}")
    if re.search(r"[\x00-\x20]", text):
        raise ValueError(f"it holds a space or a control character; {advice}, and %20 for a space")
    return Secret(text)


def host(text: str) -> str:
    """A host's name or address, or the folder of a socket; names separated by commas are tried in turn."""
    if re.search(r"[\x00-\x1f]", text) or "://" in text or "@" in text:
        raise ValueError(
            f"{shown(text)} is not a host; write its name or address alone"
            " (a whole URI goes into POSTGRES_DSN)"
        )
    if not all(map(is_hostname, text.split(","))):
        raise ValueError(f"{shown(text)} is not a host; write its name, its address or a folder")
    return text


def name(text: str) -> str:
    """A database's or role's name: any text without control characters."""
    if re.search(r"[\x00-\x1f]", text):
        raise ValueError(f"{shown(text)} holds a control character; write the name alone")
    return text


def ssl_mode(text: str) -> str:
    """One of libpq's modes."""
    if text.lower() not in SSL_MODES:
        raise ValueError(f"{shown(text)} is not an sslmode; write {one_of(list(SSL_MODES))}")
    return text.lower()


def api_base_url(text: str) -> str:
    """The API's address without a slash at the end: https, or http on this machine."""
    try:
        parts = urlsplit(text)
        port_is_fine = parts.port is None or 0 < parts.port < 65536
    except ValueError:
        port_is_fine, parts = False, urlsplit("")
    if not port_is_fine or parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError("it is not an address; write for example http://127.0.0.1:8787/client/v4")
    if not is_hostname(parts.hostname):
        raise ValueError(f"{shown(parts.hostname)} can't be a host; write its name or address")
    if "@" in parts.netloc or parts.query or parts.fragment or re.search(r"[\x00-\x20]", text):
        raise ValueError("it holds more than an address; write scheme, host, port and path alone")
    if parts.scheme == "http" and not is_loopback(parts.hostname):
        raise ValueError(
            f"http to {parts.hostname} would send the token unencrypted; write https://"
        )
    return text.rstrip("/")


def proxy(text: str) -> str:
    """`environment`, or a proxy's address without a login: http://HOST:PORT."""
    if text.lower() == "environment":
        return "environment"
    if "@" in text:
        raise ValueError(
            "a proxy's login is a secret; set HTTPS_PROXY to the whole address, and write environment"
        )
    return proxy_address(text)


def proxy_address(text: str) -> str:
    """A proxy's address, with a login or without.

    Raises: ValueError, whose text holds nothing of it.
    """
    try:
        parts = urlsplit(text)
        fine = (
            parts.scheme in {"http", "https"}
            and parts.port != 0
            and is_hostname(parts.hostname or "")
        )
    except ValueError:
        fine = False
    if not fine or re.search(r"[\x00-\x20]", text):
        raise ValueError("it is no proxy's address; write http://HOST:PORT")
    return text


def is_hostname(text: str) -> bool:
    """Whether `text` may be looked up: a name of labels of 1 to 63 characters, an address, a folder.

    Others make the resolver fail in a way that isn't an OSError.
    """
    if not text or text.startswith("/"):
        return True
    try:
        text.encode("idna")
    except UnicodeError:
        return False
    return True


def is_loopback(host: str) -> bool:
    """True for this very machine, by name or by number: what is sent there leaves by no wire."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
