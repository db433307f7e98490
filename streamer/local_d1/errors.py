"""What goes wrong in the local D1: for its clients, and for whoever starts it."""

from __future__ import annotations


class LocalD1Error(Exception):
    """The server can't start: one sentence (`what`), and what to do about it (`hint`)."""

    def __init__(self, what: str, *, hint: str) -> None:
        super().__init__(f"{what} {hint}")
        self.what = what
        self.hint = hint


class ApiError(Exception):
    """A request that is refused, in Cloudflare's terms: HTTP status, error code, message."""

    def __init__(self, status: int, code: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message


def malformed(why: str) -> ApiError:
    """A body that isn't what the API takes."""
    return ApiError(400, 7400, f"The request is malformed: {why}")


def failed(message: str) -> ApiError:
    """What D1 answers for nearly everything: its code says nothing, its message all."""
    return ApiError(400, 7500, message)
