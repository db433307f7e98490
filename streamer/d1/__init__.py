"""The only way to D1: every request is paced, counted, retried, classified here.

api       paths, bodies and answers as values (pure)
failures  what each refusal means (pure)
policy    what to do about it (pure)
transport what sends one request once; http: over the network (loading: what that takes)
pacer     who may send, and when; window_file: what all processes with one token have sent
database  D1Database: all of it together
"""

from streamer.d1.api import DatabaseInfo
from streamer.d1.clock import Clock, SystemClock
from streamer.d1.database import D1Database
from streamer.d1.failures import (
    AnswerTooLongError,
    Failure,
    FailureKind,
    RefusedRowsError,
    TooLargeError,
)
from streamer.d1.loading import begin_to_load_http
from streamer.d1.observer import SilentObserver, TargetObserver
from streamer.d1.opening import open_database

__all__ = [
    "AnswerTooLongError",
    "Clock",
    "D1Database",
    "DatabaseInfo",
    "Failure",
    "FailureKind",
    "RefusedRowsError",
    "SilentObserver",
    "SystemClock",
    "TargetObserver",
    "TooLargeError",
    "begin_to_load_http",
    "open_database",
]
