"""The figures of a run, by table and in all: counted once, over all its resumes.

A row counts when it is settled: acknowledged, rejected or left out. So
read = written + rejected + skipped holds by construction, whatever was read twice.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace

from streamer.frozen import frozen

Numbers = Mapping[str, object]
"""Figures as they stand in a JSON document: names to numbers."""


@frozen
class Figures:
    """What one table took; every figure is zero or more.

    `bytes_sent` is the size of the settled rows' statements. A request that served several tables
    counts for the first of them; `requests` includes `retries`. `seconds` is the time that the
    table was being moved.
    """

    rows_written: int = 0
    rows_rejected: int = 0
    rows_skipped: int = 0
    bytes_sent: int = 0
    requests: int = 0
    retries: int = 0
    seconds: float = 0.0

    @property
    def rows_read(self) -> int:
        """Distinct rows read from the source and settled."""
        return self.rows_written + self.rows_rejected + self.rows_skipped

    def __add__(self, other: Figures) -> Figures:
        return Figures(
            rows_written=self.rows_written + other.rows_written,
            rows_rejected=self.rows_rejected + other.rows_rejected,
            rows_skipped=self.rows_skipped + other.rows_skipped,
            bytes_sent=self.bytes_sent + other.bytes_sent,
            requests=self.requests + other.requests,
            retries=self.retries + other.retries,
            seconds=self.seconds + other.seconds,
        )

    def to_json(self) -> dict[str, int | float]:
        """The figures by name, `rows_read` included."""
        return {
            "rows_read": self.rows_read,
            "rows_written": self.rows_written,
            "rows_rejected": self.rows_rejected,
            "rows_skipped": self.rows_skipped,
            "bytes_sent": self.bytes_sent,
            "requests": self.requests,
            "retries": self.retries,
            "seconds": round(self.seconds, 3),
        }

    @classmethod
    def from_json(cls, document: Numbers) -> Figures:
        """The figures that `to_json` wrote; what is missing is zero."""
        whole = {
            field.name: _whole(document, field.name)
            for field in fields(cls)
            if field.name != "seconds"
        }
        return cls(**whole, seconds=_number(document, "seconds"))


@frozen
class Traffic:
    """What the whole run took from the target, requests that served no table included.

    `bytes` are request bodies as sent, repeated ones too. `rate_limited` counts the answers that
    named the API's limit. `rows_written` is D1's own count: table rows and index entries.
    `seconds` is how long the run was at work, pauses between resumes left out.
    """

    requests: int = 0
    retries: int = 0
    rate_limited: int = 0
    bytes: int = 0
    rows_written: int = 0
    seconds: float = 0.0

    def __add__(self, other: Traffic) -> Traffic:
        return Traffic(
            requests=self.requests + other.requests,
            retries=self.retries + other.retries,
            rate_limited=self.rate_limited + other.rate_limited,
            bytes=self.bytes + other.bytes,
            rows_written=self.rows_written + other.rows_written,
            seconds=self.seconds + other.seconds,
        )

    def to_json(self) -> dict[str, int | float]:
        """The figures by name."""
        return {
            "requests": self.requests,
            "retries": self.retries,
            "rate_limited": self.rate_limited,
            "bytes": self.bytes,
            "rows_written": self.rows_written,
            "seconds": round(self.seconds, 3),
        }

    @classmethod
    def from_json(cls, document: Numbers) -> Traffic:
        """The figures that `to_json` wrote; what is missing is zero."""
        return cls(
            requests=_whole(document, "requests"),
            retries=_whole(document, "retries"),
            rate_limited=_whole(document, "rate_limited"),
            bytes=_whole(document, "bytes"),
            rows_written=_whole(document, "rows_written"),
            seconds=_number(document, "seconds"),
        )


class Tally:
    """The figures of all tables and of the run; adding is all that one can do to it.

    It is a class because the tables' figures and the run's must move together.
    """

    def __init__(
        self, traffic: Traffic | None = None, tables: Mapping[str, Figures] | None = None
    ) -> None:
        self._traffic = traffic or Traffic()
        self._tables: dict[str, Figures] = dict(tables or {})

    @property
    def traffic(self) -> Traffic:
        """What the run took from the target so far."""
        return self._traffic

    @property
    def tables(self) -> Mapping[str, Figures]:
        """Each table's figures so far, in the order in which they were first heard of."""
        return self._tables

    @property
    def sum(self) -> Figures:
        """The tables' figures added up."""
        return sum(self._tables.values(), Figures())

    def of(self, table: str) -> Figures:
        """One table's figures; zeros where nothing happened yet."""
        return self._tables.get(table, Figures())

    def add(self, table: str, more: Figures) -> None:
        """Count `more` for `table`."""
        self._tables[table] = self.of(table) + more

    def settle(
        self,
        table: str,
        *,
        rows_written: int,
        bytes_sent: int,
        rows_skipped: int = 0,
        rows_rejected: int = 0,
    ) -> None:
        """Set what a checkpoint says of `table`'s settled rows; other figures stay."""
        figures = replace(
            self.of(table),
            rows_written=rows_written,
            rows_rejected=rows_rejected,
            rows_skipped=rows_skipped,
            bytes_sent=bytes_sent,
        )
        self._tables[table] = figures

    def add_traffic(self, more: Traffic) -> None:
        """Count `more` for the run."""
        self._traffic += more

    @classmethod
    def from_json(cls, traffic: object, tables: Mapping[str, object]) -> Tally:
        """The tally whose parts `to_json` of Traffic and of each table's Figures wrote.

        Anything that isn't a JSON object of figures counts as zeros.
        """
        figures = {name: Figures.from_json(_numbers(part)) for name, part in tables.items()}
        return cls(Traffic.from_json(_numbers(traffic)), figures)


def _numbers(value: object) -> Numbers:
    """`value` where it is a JSON object, else an empty one."""
    if not isinstance(value, Mapping):
        return {}
    return {str(name): number for name, number in value.items()}  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType] -- JSON of any shape


def _whole(document: Numbers, key: str) -> int:
    return int(_number(document, key))


def _number(document: Numbers, key: str) -> float:
    value = document.get(key)
    return value if isinstance(value, int | float) and value >= 0 else 0
