"""Requests to send, and scripts that make the model of the API fail for a while."""

from streamer.d1.api import Break, Broken, Reply
from streamer.model import Statement
from tests.unit.d1.model_api import refusal

WRITE = [Statement("INSERT INTO t VALUES (1)")]
BIG = [Statement("INSERT INTO t VALUES (?)", b'["' + b"x" * 200_000 + b'"]')]


DOWN_KINDS = [
    Break(Broken.NOT_CONNECTED, "refused"),
    Break(Broken.DISCONNECTED, "reset"),
    Break(Broken.TIMEOUT, "no answer"),
    Reply(500, b""),
    Reply(503, b"<html>"),
    Reply(522, b""),
    refusal(500, 7500, "Network connection lost."),
    refusal(400, 7500, "Cannot resolve D1 DB due to transient issue"),
    refusal(400, 7500, "Currently processing a long-running import."),
    refusal(429, 7500, "D1 DB is overloaded. Too many requests queued."),
]


def first(count: int, *answers):
    """A script: the first `count` writes get these answers in turn."""
    given = [answers[n % len(answers)] for n in range(count)]

    def script(_now, method, _path, body):
        return given.pop(0) if method == "POST" and b"INSERT" in body and given else None

    return script


def outage(begin: float, end: float, answer):
    return lambda now, method, *_: answer if method == "POST" and begin <= now < end else None
