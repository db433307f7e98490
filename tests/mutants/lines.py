"""The safeguards behind single lines of the table of faults: what slows, proves, bounds, and names."""

from __future__ import annotations

from tests.mutants.breaks import Break

_RATE = ("tests/unit/d1/test_rate_limit.py",)
_FAILURES = ("tests/unit/d1/test_failures.py",)
_EXECUTE = ("tests/unit/d1/test_execute.py",)
_HTTP = ("tests/unit/d1/test_http.py",)
_WINDOW_FILE = ("tests/unit/d1/test_window_file.py",)
_LATE = ("tests/faults/test_late_parents.py",)
_NAMES = ("tests/faults/test_hostile_names.py",)
_STREAMS = ("tests/faults/test_streams.py",)
_POISON = ("tests/faults/test_staged_poison.py",)
_MOVED = ("tests/faults/test_moved_values.py",)

LINES = (
    # 7: the API's limit, or a database that is overloaded
    Break(
        "the rate limit's answer pauses nobody",
        "streamer/d1/policy.py",
        "    return PauseAll(max(SHORTEST_PAUSE_S, asked))",
        "    return Again(SHORTEST_PAUSE_S if asked else 0.0)",
        _RATE,
        histories=0,
    ),
    Break(
        "what the rate limit asks for is shortened",
        "streamer/d1/policy.py",
        "    return PauseAll(max(SHORTEST_PAUSE_S, asked))",
        "    return PauseAll(SHORTEST_PAUSE_S)",
        _RATE,
        histories=0,
    ),
    Break(
        "a rate limit that names no time pauses for a second",
        "streamer/d1/policy.py",
        "    asked = API_WINDOW_S if failure.retry_after_s is None else failure.retry_after_s\n",
        "    asked = failure.retry_after_s or 0.0\n",
        _RATE,
        histories=0,
    ),
    Break(
        "a date to retry after is measured by the own clock",
        "streamer/d1/failures.py",
        '    wait = until - (_timestamp(headers.get("date", "")) or now)\n',
        "    wait = until - now\n",
        _FAILURES,
        histories=0,
    ),
    Break(
        "a date to retry after that is over is a wait below nothing",
        "streamer/d1/failures.py",
        "    return wait if wait > 0 else None\n",
        "    return wait\n",
        _FAILURES,
        histories=0,
    ),
    Break(
        "a database that is overloaded pauses everybody",
        "streamer/d1/policy.py",
        "    FailureKind.OVERLOADED: _later,\n",
        "    FailureKind.OVERLOADED: _pause,\n",
        _RATE,
        histories=0,
    ),
    Break(
        "an overload leaves as many in flight as before",
        "streamer/d1/pacer.py",
        "            self._concurrency.overloaded(ticket.sent_at, now)\n",
        "            pass\n",
        _RATE,
        histories=0,
    ),
    # 10: an answer that proves nothing
    Break(
        "an answer that doesn't say that it succeeded counts as success",
        "streamer/d1/api.py",
        """document.get("result") if document.get("success") is True else None""",
        """document.get("result", [])""",
        ("tests/unit/d1/test_error_shapes.py", "tests/unit/d1/test_api.py"),
        histories=0,
    ),
    Break(
        "fewer results than statements are enough",
        "streamer/d1/api.py",
        "    return whole if len(whole) == len(found) == count else None",
        "    return (*whole, *(Result(),) * (count - len(whole)))",
        ("tests/unit/d1/test_api.py",),
        histories=0,
    ),
    Break(
        "an answer may be as long as it likes",
        "streamer/d1/http.py",
        "                if len(received) > self._answer_bytes:\n",
        "                if len(received) < 0:\n",
        _HTTP,
        histories=0,
    ),
    Break(
        "an error's answer may hold results",
        "streamer/d1/api.py",
        """    return document.get("result") if document.get("success") is True else None""",
        """    return document.get("result") if document.get("success") else None""",
        ("tests/unit/d1/test_api.py",),
        histories=0,
    ),
    Break(
        "a result that doesn't say that it succeeded is whole",
        "streamer/d1/api.py",
        """    if entry.get("success") is not True or not whole:\n""",
        """    if entry.get("success") is False or not whole:\n""",
        ("tests/unit/d1/test_api.py",),
        histories=0,
    ),
    Break(
        "answers that make no sense are asked for again and again",
        "streamer/d1/policy.py",
        "    FailureKind.MALFORMED_ANSWER: _few_times,\n",
        "    FailureKind.MALFORMED_ANSWER: _later,\n",
        _EXECUTE,
        histories=0,
    ),
    # 24: parents that came late
    Break(
        "rows that others refer to aren't fetched",
        "streamer/sinks/parents.py",
        "            if not lacks_parents(error):\n                raise\n            refused = error\n        async with",
        "            raise error\n        async with",
        _LATE,
        histories=0,
    ),
    Break(
        "what a late parent refers to isn't fetched",
        "streamer/sinks/ahead.py",
        "            lacking = parents_of(await self.lacking(groups)) - seen\n            wanted = {",
        "            lacking = parents_of(await self.lacking(groups[:0])) - seen\n            wanted = {",
        _LATE,
        histories=0,
    ),
    Break(
        "rows sent ahead aren't written down before",
        "streamer/sinks/ahead.py",
        "        await self._expect(found.note(), frozenset(chunk.snapshot for chunk in found.all))\n",
        "",
        _LATE,
        histories=0,
    ),
    # 25: clocks that jump
    Break(
        "time is told by a clock that may be set",
        "streamer/d1/clock.py",
        "        return time.monotonic()\n",
        "        return time.time()\n",
        ("tests/unit/d1/test_clock.py",),
        histories=0,
    ),
    Break(
        "what lies in the future stays there",
        "streamer/d1/window_file.py",
        '                " WHERE monotonic > ? OR wall > ?",\n',
        '                " WHERE monotonic > ? AND wall > ?",\n',
        _WINDOW_FILE,
        histories=0,
    ),
    Break(
        "sends are forgotten by wall time alone",
        "streamer/d1/window_file.py",
        "        return max(0.0, min(now.monotonic - self.monotonic, now.wall - self.wall))\n",
        "        return max(0.0, now.wall - self.wall)\n",
        _WINDOW_FILE,
        histories=0,
    ),
    Break(
        "sends are forgotten by monotonic time alone",
        "streamer/d1/window_file.py",
        "        return max(0.0, min(now.monotonic - self.monotonic, now.wall - self.wall))\n",
        "        return max(0.0, now.monotonic - self.monotonic)\n",
        _WINDOW_FILE,
        histories=0,
    ),
    # 26: what is big or many
    Break(
        "one stuck batch lets the rest pile up",
        "streamer/pipeline/mover.py",
        "        return 4 * self._sink.concurrency * self._chunks_in_batch()\n",
        "        return 4_000 * self._sink.concurrency * self._chunks_in_batch()\n",
        (
            "tests/unit/pipeline/test_mover.py::test_fault_26_one_stuck_batch_does_not_let_the_rest_pile_up",
        ),
        histories=0,
    ),
    Break(
        "fat rows are read as many at a time as lean ones",
        "streamer/postgres/window.py",
        "            if total > PAGE_BYTES and fitting:\n",
        "            if total < 0 and fitting:\n",
        ("tests/faults/test_memory.py",),
        histories=0,
    ),
    Break(
        "the byte budget isn't kept",
        "streamer/pipeline/budget.py",
        "        return self._used == 0 or self._used + size <= self._limit",
        "        return self._used >= 0",
        ("tests/faults/test_memory.py",),
        histories=0,
    ),
    # 27: hostile names
    Break(
        "a quote within a name ends it",
        "streamer/model/sql.py",
        """    return '"' + name.replace('"', '""') + '"'""",
        """    return '"' + name + '"'""",
        _NAMES,
        histories=0,
    ),
    Break(
        "names that differ by case alone are two",
        "streamer/translate/names.py",
        "    return name.translate(_ASCII_LOWER)\n",
        "    return name\n",
        _NAMES,
        histories=0,
    ),
    Break(
        "reserved names are let through",
        "streamer/translate/names.py",
        """    return next((prefix for prefix in RESERVED if fold(name).startswith(prefix)), "")""",
        """    return next((prefix for prefix in RESERVED if name == prefix), "")""",
        _NAMES,
        histories=0,
    ),
    # 28: where the words go
    Break(
        "streams that the caller closed stay closed",
        "streamer/cli/__init__.py",
        "    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:\n",
        "    while (descriptor := os.open(os.devnull, os.O_RDWR)) < 0:\n",
        _STREAMS,
        histories=0,
    ),
    Break(
        "a full stderr ends the work",
        "streamer/cli/logs.py",
        "        with suppress(OSError, ValueError):\n            self.say(self.format(record))\n",
        "        self.say(self.format(record))\n",
        _STREAMS,
        histories=0,
    ),
    Break(
        "a log that can't be written ends the work",
        "streamer/cli/log_file.py",
        "        except OSError:\n            self.handleError(record)\n",
        "        except ValueError:\n            self.handleError(record)\n",
        _STREAMS,
        histories=0,
    ),
    Break(
        "a terminal that went away ends the work",
        "streamer/progress/plain.py",
        "        except (OSError, ValueError):  # closed, a broken pipe, a full disk\n",
        "        except ZeroDivisionError:\n",
        _STREAMS,
        histories=0,
    ),
    Break(
        "results that nobody could be told count as told",
        "streamer/cli/outcome.py",
        "        sys.stdout.flush()\n",
        "        sys.stdout.isatty()\n",
        _STREAMS,
        histories=0,
    ),
    # 36: values that moved
    Break(
        "values that moved are looked after in one row only",
        "streamer/sinks/moved.py",
        "            rows = more.rows\n",
        "            rows = []\n",
        _MOVED,
        histories=0,
    ),
    Break(
        "rows let go of nothing",
        "streamer/sinks/moved.py",
        "            *park(plan, knot.uniques, sorted(knot.parked)),\n",
        "",
        _MOVED,
        histories=0,
    ),
    Break(
        "rows that are gone keep the values that they had",
        "streamer/sinks/moved.py",
        "self._leaving.statements(plan, knot.fresh.gone & knot.parked)",
        "self._leaving.statements(plan, set())",
        _MOVED,
        histories=0,
    ),
    Break(
        "what refers to a row that leaves isn't read again",
        "streamer/sinks/refresh.py",
        "                writes += fresh.statements\n",
        "",
        _MOVED,
        histories=0,
    ),
    Break(
        "rows of a cycle that its tables didn't take aren't read again",
        "streamer/sinks/staged.py",
        "        await self._renewing.renew(table, keys, staged=True)\n        if not (left",
        "        if not (left",
        _POISON,
        histories=0,
    ),
    Break(
        "rejected rows without a key lose what they refer to",
        "streamer/pack/layout.py",
        "        if physical and deferred:\n",
        "        if False:\n",
        _POISON,
        histories=0,
    ),
    Break(
        "tables that went before a row came are taken for made",
        "streamer/run/job.py",
        " or (missing and untouched)",
        "",
        ("tests/faults/test_changed_target.py",),
        histories=0,
    ),
)
