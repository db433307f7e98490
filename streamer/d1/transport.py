"""What sends one request once, whatever it is sent by, and what an API's address and token may be."""

from __future__ import annotations

import re
from typing import Protocol
from urllib.parse import urlsplit

from streamer.config.values import is_loopback
from streamer.d1.api import EMPTY, Body, Break, Reply
from streamer.errors import UsageError
from streamer.model import Secret


class Transport(Protocol):
    """Sends one request once; never raises for what the network does."""

    async def send(self, method: str, path: str, body: Body = EMPTY) -> Reply | Break:
        """The whole answer, or how it failed to come; `path` is below the base URL."""
        ...

    async def aclose(self) -> None:
        """Close what is open."""
        ...


def checked_base_url(url: str) -> str:
    """`url` without a slash at its end, if the token may be sent there.

    Raises:
        UsageError: it isn't https (or http to this machine), or carries more than a place.
    """
    hint = "Write CLOUDFLARE_API_BASE_URL like https://api.cloudflare.com/client/v4"
    try:
        parts = urlsplit(url)
        host, plain = parts.hostname or "", parts.scheme == "http"
        extras = parts.query or parts.fragment or parts.username or parts.password
        _ = parts.port
    except ValueError:
        raise UsageError("The API's base URL can't be read", hint=hint) from None
    if parts.scheme not in {"http", "https"} or not host or extras:
        raise UsageError("The API's base URL isn't a plain https address", hint=hint)
    if plain and not is_loopback(host):
        raise UsageError(
            f"The API's base URL sends the token in the clear to {host}",
            hint="Use https; http is for this machine only",
        )
    return url.rstrip("/")


def checked_token(token: Secret) -> str:
    """The token's text, if it can stand in a header.

    Raises:
        UsageError: it is empty or holds a character that no token has.
    """
    text = token.reveal()
    if not re.fullmatch(r"[\x21-\x7e]+", text):
        raise UsageError(
            "The API token is empty or holds a space, a line break or a letter no token has",
            hint="Copy CLOUDFLARE_API_TOKEN again, without quotes and line breaks",
        )
    return text
