"""What a checkpoint holds, and how it becomes rows that notice damage (pure).

A row is a tuple of cells, the last of which is a CRC-32 over the others. The seal is a row that
counts and sums the CRCs of all others.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias, cast
from zlib import crc32

JSON: TypeAlias = "bool | int | float | str | Sequence[JSON] | Mapping[str, JSON] | None"
Cell: TypeAlias = str | int | None
Row: TypeAlias = tuple[Cell, ...]

_ONLY_ROW = 1
_INTEGER_END = 2**63  # SQLite's integers are signed, 8 bytes


class BadRowError(ValueError):
    """Rows that can't be what was saved; the text says which, never what they hold."""


@dataclass(frozen=True, slots=True)
class RunRecord:
    """The run as a whole. `state` and `document` mean what the caller makes of them.

    `document` holds JSON values: no NaN, no infinities, keys are texts; a tuple comes back as a
    list.
    """

    run_id: str
    state: str
    epoch: int
    document: Mapping[str, JSON]

    def __post_init__(self) -> None:
        _refuse_out_of_range(f"run {self.run_id}", epoch=self.epoch)


@dataclass(frozen=True, slots=True)
class StepRecord:
    """How far one step of a table is; all before `next_number` and up to `last_key` is done.

    `last_key` is None before the first acknowledgement. `rows` and `bytes` count what was
    acknowledged.
    """

    step_id: int
    table: str
    kind: str
    state: str
    last_key: tuple[str, ...] | None
    next_number: int
    rows: int
    bytes: int
    document: Mapping[str, JSON]

    def __post_init__(self) -> None:
        _refuse_out_of_range(
            f"step {self.step_id}",
            step_id=self.step_id,
            next_number=self.next_number,
            rows=self.rows,
            bytes=self.bytes,
        )


class Saved(NamedTuple):
    """One state of a checkpoint, as one transaction left it; steps in order of their ids."""

    run: RunRecord
    steps: tuple[StepRecord, ...]


class Tally(NamedTuple):
    """The CRCs of all rows, by which the seal is made; `run_crc` is None where no run was begun.

    `store_id` tells this checkpoint from others; `saves` counts the transactions since it was made.
    """

    store_id: str
    saves: int
    run_crc: int | None
    step_crcs: Mapping[int, int]

    def after(self, *, runs: Sequence[Row], steps: Sequence[Row], afresh: bool = False) -> Tally:
        """The tally one save later, which puts these rows, `afresh` in place of all others."""
        kept: Mapping[int, int] = {} if afresh else self.step_crcs
        return Tally(
            self.store_id,
            self.saves + 1,
            _crc_in(runs[-1]) if runs else self.run_crc,
            {**kept, **{_integer(row[0]): _crc_in(row) for row in steps}},
        )

    def seal_row(self) -> Row:
        """The row of table `seal`."""
        crcs = [*self.step_crcs.values(), *([] if self.run_crc is None else [self.run_crc])]
        return _with_crc(_ONLY_ROW, self.store_id, self.saves, len(crcs), sum(crcs))


class Contents(NamedTuple):
    """All that a checkpoint file holds; `saved` is None where no run was begun."""

    tally: Tally
    saved: Saved | None


def run_row(run: RunRecord) -> Row:
    """The row of table `run`."""
    return _with_crc(_ONLY_ROW, run.run_id, run.state, run.epoch, _document(run.document))


def step_row(step: StepRecord) -> Row:
    """The row of table `step`."""
    last_key = None if step.last_key is None else json.dumps(step.last_key)
    return _with_crc(
        step.step_id,
        step.table,
        step.kind,
        step.state,
        last_key,
        step.next_number,
        step.rows,
        step.bytes,
        _document(step.document),
    )


def contents(*, seals: Sequence[Row], runs: Sequence[Row], steps: Sequence[Row]) -> Contents:
    """The contents that these rows, all there are, stand for.

    Raises: BadRowError where any row was altered, is missing, or is one too many.
    """
    if len(seals) != 1:
        raise BadRowError(f"{len(seals)} seals where one belongs")
    for table, rows in (("seal", seals), ("run", runs), ("step", steps)):
        for position, row in enumerate(rows, start=1):
            if not _is_sound(row):
                raise BadRowError(f"row {position} of table {table} fails its checksum")
    _, store_id, saves, row_count, _, _ = seals[0]
    tally = Tally(
        str(store_id),
        _integer(saves),
        _crc_in(runs[0]) if runs else None,
        {_integer(row[0]): _crc_in(row) for row in steps},
    )
    if row_count != len(runs) + len(steps):
        raise BadRowError(f"{len(runs) + len(steps)} rows where {row_count} were saved")
    if tally.seal_row() != seals[0]:
        raise BadRowError("rows of different saves stand side by side")
    if not runs:
        return Contents(tally, None)
    try:
        saved = Saved(_run_of(runs[0]), tuple(_step_of(row) for row in steps))
    except (ValueError, RecursionError):  # written by somebody who knows how checksums are made
        raise BadRowError("a row's checksum is right, but no run ever wrote such a row") from None
    return Contents(tally, saved)


def _run_of(row: Row) -> RunRecord:
    _, run_id, state, epoch, document, _ = row
    return RunRecord(str(run_id), str(state), _integer(epoch), _document_in(document))


def _step_of(row: Row) -> StepRecord:
    step_id, table, kind, state, last_key, next_number, rows, size, document, _ = row
    return StepRecord(
        step_id=_integer(step_id),
        table=str(table),
        kind=str(kind),
        state=str(state),
        last_key=None if last_key is None else _key_in(last_key),
        next_number=_integer(next_number),
        rows=_integer(rows),
        bytes=_integer(size),
        document=_document_in(document),
    )


def _document(document: Mapping[str, JSON]) -> str:
    return json.dumps(document, allow_nan=False, separators=(",", ":"))


def _document_in(cell: Cell) -> Mapping[str, JSON]:
    found: object = json.loads(str(cell))
    if not isinstance(found, dict):
        raise BadRowError("no JSON object stands where one belongs")
    return cast("dict[str, JSON]", found)


def _key_in(cell: Cell) -> tuple[str, ...]:
    found: object = json.loads(str(cell))
    texts = cast("list[object]", found) if isinstance(found, list) else [None]
    if not all(isinstance(text, str) for text in texts):
        raise BadRowError("no JSON array of texts stands where one belongs")
    return tuple(cast("list[str]", texts))


def _with_crc(*cells: Cell) -> Row:
    return (*cells, _crc(cells))


def _crc_in(row: Row) -> int:
    return _integer(row[-1])


def _crc(cells: Sequence[object]) -> int:
    return crc32(json.dumps(cells).encode("ascii"))


def _is_sound(row: Sequence[object]) -> bool:
    """Whether a row as SQLite gave it (any types, any width) is one that was saved."""
    return (
        len(row) > 1
        and all(cell is None or isinstance(cell, str | int) for cell in row)
        and _crc(row[:-1]) == row[-1]
    )


def _integer(cell: Cell) -> int:
    if not isinstance(cell, int):
        raise BadRowError("a text stands where a number belongs")
    return cell


def _refuse_out_of_range(what: str, **numbers: int) -> None:
    for name, number in numbers.items():
        if not 0 <= number < _INTEGER_END:
            raise ValueError(f"{what}: {name} is {number:,}, not in [0, 2**63)")
