"""What happens in a run, told by one object to whoever counts, shows or writes it.

The pipeline calls these methods; they are plain, quick and never fail. Nothing here prints: the
display reads `view()`, the story goes line by line to `say`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence

from streamer.model import Answer, Rate
from streamer.model.words import counted
from streamer.progress.history import History, Latencies, Sample
from streamer.progress.lines import Line
from streamer.progress.report import RunReport
from streamer.progress.tally import Figures, Tally, Traffic
from streamer.progress.view import TableState, TableView, View, Volume, printable, rate_of
from streamer.progress.wording import duration, took

Clock = Callable[[], float]
"""Seconds that only ever grow (time.monotonic)."""

RATE_SPAN_S = 30.0  # rows/s and bytes/s are those of this span
RATE_LIMITED = "rate limited"  # a FailureKind of streamer.d1, which takes long to load
WAIT_SAID_S = 2.0  # shorter ones, for the rate limit, are how requests are spread
RETRY_LINES_S = 10.0  # failures of one kind share a line for so long
MARKS = 64  # of the span, so that memory stays flat
LATEST = 50  # lines kept for those who look in
WARNING, DETAIL = "warning: ", "detail: "  # how lines begin that aren't the story's own


def silent(_line: str) -> None:
    """Say nothing."""


class Events:
    """Counts a run's events into its tally and keeps what a display shows.

    `tally` holds the figures recorded so far (of a resumed run: those of its checkpoint). `rate`
    is the limit in force (None: none). Table names are those of the source. Also an observer of the target's client: it counts every
    request that is sent, whoever it serves. `report` is a run's newest report,
    `validation` a validation's, as its file has it; `report_lost` says that it couldn't be written.
    `history`, `latencies` and `latest` (second since the start, line) are for whoever looks in later.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        tally: Tally | None = None,
        rate: Rate | None = None,
        say: Callable[[str], None] = silent,
    ) -> None:
        self.tally = tally or Tally()
        self.warnings: list[str] = []
        self.report: RunReport | None = None
        self.validation: Mapping[str, object] | None = None
        self.report_lost = False
        self._clock = clock
        self._rate = rate
        self._listener = say
        self._run_id = ""
        self._batches = 0
        self._started = clock()
        self._counted_to = self._started
        self._phase, self._so_far = "starting", ""
        self._tables: dict[str, TableView] = {}
        self._since: dict[str, float] = {}
        self._sent: deque[float] = deque(maxlen=rate.requests if rate else 0)
        self._marks: deque[tuple[float, Volume]] = deque(maxlen=MARKS)
        self._mark_gap = RATE_SPAN_S / MARKS
        self._body_bytes = 0
        self._rows_in = 0
        self._concurrency = 0
        self._pause: tuple[float, str] | None = None
        self._retries_said: dict[str, tuple[float, int]] = {}
        self.history = History()
        self.latencies = Latencies()
        self.latest: deque[tuple[float, str]] = deque(maxlen=LATEST)

    # What the pipeline tells

    def run_known(self, run_id: str, start: int) -> None:
        """The job is this run, at its `start`-th start; each line names it from now on."""
        self._run_id = run_id
        self._say(f"run {printable(run_id)}, start {start}")

    def phase(self, name: str) -> None:
        """The run enters a new part of its work, named in a word or two."""
        self._so_far = ""
        if name != self._phase:
            self._phase = name
            self._say(name)

    def so_far(self, text: str) -> None:
        """How far the part of the work is that no table shows, for whoever looks in."""
        self._so_far = text

    def table_expected(self, table: str, rows_estimate: int) -> None:
        """`table` is part of the run; `rows_estimate` rows (-1: nobody knows)."""
        known = self._tables.get(table)
        state = known.state if known else TableState.WAITING
        rows = self.tally.of(table).rows_read
        self._tables[table] = TableView(table, state, rows, rows_estimate)

    def table_started(self, table: str, rows_estimate: int) -> None:
        """Rows of `table` begin to move, or go on from where the checkpoint stands."""
        self._since[table] = self._clock()
        rows = self.tally.of(table).rows_read
        self._tables[table] = TableView(table, TableState.MOVING, rows, rows_estimate)
        expected = (
            f"about {counted(rows_estimate, 'row')}" if rows_estimate >= 0 else "rows not estimated"
        )
        resumed = f", {rows:,} of them done" if rows else ""
        self._say(f"{printable(table)}: started, {expected}{resumed}", table=table)

    def page_read(self, table: str, rows: int) -> None:
        """`rows` came from the source; they count for `table` when they are settled."""
        del table  # one reader's page is every display's
        self._rows_in += rows

    def chunk_written(self, table: str, rows: int, sent_bytes: int) -> None:
        """`rows` of `table` are durable in the target, sent as `sent_bytes` of statements.

        They may lie beyond the watermark: then a crash makes them come again. So a resume first
        sets the tally to what its checkpoint covers (`Tally.settle`).
        """
        self._settle(table, Figures(rows_written=rows, bytes_sent=sent_bytes))

    def rows_rejected(self, table: str, rows: int, *, written: bool = False) -> None:
        """`rows` of `table` were refused for good and are recorded as such.

        With `written`, they counted as written before: only a reference of theirs was refused.
        """
        # Rows that were fetched for others, ahead of their time, aren't among those counted.
        before = min(rows, self.tally.of(table).rows_written) if written else 0
        self._settle(table, Figures(rows_rejected=rows, rows_written=-before))

    def rows_skipped(self, table: str, rows: int) -> None:
        """`rows` of `table` were left out by rule."""
        self._settle(table, Figures(rows_skipped=rows))

    def request_answered(self, tables: Sequence[str], answer: Answer) -> None:
        """A request that served `tables` has its answer.

        The run's own figures come through `sent`, `answered` and `retried`, which see every
        request; only the tables' share is taken from here.
        """
        if tables:
            share = Figures(requests=answer.attempts, retries=answer.attempts - 1)
            self.tally.add(tables[0], share)
        self._batches += 1
        attempts = f" at attempt {answer.attempts}" if answer.attempts > 1 else ""
        facts = {
            "tables": [*tables],
            "batch": self._batches,
            "attempt": answer.attempts,
            "seconds": round(answer.seconds, 3),
            "bytes": answer.sent_bytes,
        }
        text = (
            f"batch {self._batches:,}: {', '.join(map(printable, tables))}, acknowledged"
            f"{attempts} in {answer.seconds:.3f}s"
        )
        self._listener(self._line(text, facts, routine=True))

    def table_finished(self, table: str) -> None:
        """All rows of `table` are settled."""
        now = self._clock()
        self._tick(now)
        self._since.pop(table, None)
        figures = self.tally.of(table)
        known = self._tables.get(table)
        estimate = known.rows_estimate if known else figures.rows_read
        self._tables[table] = TableView(table, TableState.DONE, figures.rows_read, estimate)
        self._say(
            f"{printable(table)}: done, {counted(figures.rows_written, 'row')}"
            f" in {took(figures.seconds)}" + _left_out(figures),
            table=table,
            seconds=round(figures.seconds, 3),
        )

    def warning(self, text: str) -> None:
        """Something that the user must know and the report repeats; each text once."""
        if text not in self.warnings:
            self.warnings.append(text)
            self._say(f"{WARNING}{printable(text)}")

    def warnings_in_short(self, texts: Iterable[str], short: Sequence[str]) -> None:
        """Warnings that may be hundreds: `texts` are for the report and the log, `short` for people."""
        known, shown = frozenset(self.warnings), frozenset(short)
        for text in dict.fromkeys(texts):
            if text not in known:
                self.warnings.append(text)
            if text not in shown:
                self._listener(self._line(f"{DETAIL}{printable(text)}", {}))
        for text in short:
            self._say(f"{WARNING}{printable(text)}")

    def note(self, text: str) -> None:
        """Something for the log that the report doesn't repeat."""
        self._say(printable(text))

    # What the target's client tells

    def sent(self, body_bytes: int) -> None:
        """A request leaves, with a body of so many bytes; each attempt counts."""
        self._pause = None
        self._sent.append(self._clock())
        self._body_bytes += body_bytes
        self.tally.add_traffic(Traffic(requests=1, bytes=body_bytes))

    def answered(self, seconds: float, rows_written: int) -> None:
        """A request succeeded after `seconds`; D1 bills `rows_written`."""
        self.latencies.add(seconds)
        self.tally.add_traffic(Traffic(rows_written=rows_written))

    def retried(self, kind: str, wait_s: float) -> None:
        """A request failed and will be sent again after `wait_s` or more."""
        limited = int(kind == RATE_LIMITED)
        self.tally.add_traffic(Traffic(retries=1, rate_limited=limited))
        now = self._clock()
        last, unsaid = self._retries_said.get(kind, (-RETRY_LINES_S + now, 0))
        if now - last < RETRY_LINES_S:
            self._retries_said[kind] = (last, unsaid + 1)
            return
        more = f", and {unsaid:,} more since the last such line" if unsaid else ""
        self._retries_said[kind] = (now, 0)
        self._say(
            f"request failed ({kind}), again in {took(wait_s)}{more}",
            kind=kind,
            wait_s=round(wait_s, 3),
        )

    def paused(self, seconds: float, why: str) -> None:
        """Nobody sends for `seconds`."""
        self._pause = (self._clock() + seconds, why)
        self._say(f"waiting {duration(seconds)}: {printable(why)}", wait_s=round(seconds, 3))

    def concurrency(self, requests: int) -> None:
        """So many requests may be in flight from now on."""
        self._concurrency = requests

    # What displays and checkpoints ask

    def recorded(self, table: str = "") -> dict[str, int | float]:
        """The figures up to now for the checkpoint: `table`'s, or the run's own for ''."""
        self._tick(self._clock())
        return self.tally.of(table).to_json() if table else self.tally.traffic.to_json()

    def view(self) -> View:
        """What there is to see now."""
        now = self._clock()
        self._tick(now)
        self._mark(now)
        self._sample(now)
        traffic = self.tally.traffic
        used = self._window_used(now)
        until, why = max(self._pause or (now, ""), self._window_full(now, used))
        return View(
            phase=f"{self._phase}: {self._so_far}" if self._so_far else self._phase,
            seconds=now - self._started,
            tables=tuple(self._tables.values()),
            speed=rate_of(self._marks),
            requests=traffic.requests,
            window_used=used,
            rate=self._rate,
            concurrency=self._concurrency,
            retries=traffic.retries,
            waiting_s=max(0.0, until - now),
            waiting_for=why,
        )

    def _settle(self, table: str, figures: Figures) -> None:
        self.tally.add(table, figures)
        if (known := self._tables.get(table)) is not None:
            rows = self.tally.of(table).rows_read
            self._tables[table] = TableView(table, known.state, rows, known.rows_estimate)
        now = self._clock()
        if not self._marks or now - self._marks[-1][0] >= self._mark_gap:
            self._mark(now)
            self._sample(now)

    def _say(self, text: str, **facts: object) -> None:
        self.latest.append((self._clock() - self._started, text))
        self._listener(self._line(text, facts))

    def _line(self, text: str, facts: Mapping[str, object], *, routine: bool = False) -> Line:
        run = {"run": self._run_id} if self._run_id else {}
        return Line(text, {**run, **facts}, routine=routine)

    def _sample(self, now: float) -> None:
        """Note for the history how far the run is, where it is time to."""
        if not self.history.is_due(now - self._started):
            return
        traffic = self.tally.traffic
        self.history.add(
            Sample(
                at_s=round(now - self._started, 1),
                rows=self.tally.sum.rows_read,
                bytes=self._body_bytes,
                requests=traffic.requests,
                retries=traffic.retries,
                window_used=self._window_used(now),
                concurrency=self._concurrency,
            )
        )

    def _mark(self, now: float) -> None:
        """Note how far the run is, for the speed of the last RATE_SPAN_S."""
        rows = sum(table.rows for table in self._tables.values())
        self._marks.append((now, Volume(rows, self._body_bytes)))
        while len(self._marks) > 2 and now - self._marks[0][0] > RATE_SPAN_S:
            self._marks.popleft()

    def _tick(self, now: float) -> None:
        """Add the time since the last tick to the run and to the tables in work."""
        self.tally.add_traffic(Traffic(seconds=now - self._counted_to))
        for table, since in self._since.items():
            self.tally.add(table, Figures(seconds=now - since))
            self._since[table] = now
        self._counted_to = now

    def _window_used(self, now: float) -> int:
        """Requests that this process sent within the limit's window."""
        while self._rate and self._sent and now - self._sent[0] >= self._rate.seconds:
            self._sent.popleft()
        return len(self._sent)

    def _window_full(self, now: float, used: int) -> tuple[float, str]:
        """Until when nothing is sent because the limit's window is full, and what to say of it.

        Requests that leave as soon as earlier ones fall out of the window are no wait.
        """
        if self._rate is None or used < self._rate.requests:
            return now, ""
        until = self._sent[used - self._rate.requests] + self._rate.seconds
        return (until, "the rate limit is used up") if until - now >= WAIT_SAID_S else (now, "")


def _left_out(figures: Figures) -> str:
    parts = [
        f", {count:,} {word}"
        for count, word in ((figures.rows_rejected, "rejected"), (figures.rows_skipped, "left out"))
        if count
    ]
    return "".join(parts)
