"""Rejected rows in the checkpoint: pages of keys and reasons, so that a commit writes few of them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from checkpoints import StepRecord
from streamer.frozen import frozen
from streamer.model import Reject, StepKind
from streamer.run.recorded import items

if TYPE_CHECKING:
    from checkpoints import JSON

KIND = "rejected"
PAGE_ROWS = 200


@frozen
class Rejected:
    """A rejected row of a table (source name), and the kind of the step that found it."""

    table: str
    kind: StepKind
    reject: Reject


def all_rejected(records: Iterable[StepRecord]) -> list[Rejected]:
    """All rejected rows that the steps of a checkpoint tell of."""
    return [
        Rejected(page.table, _kind(page), reject)
        for page in records
        if page.kind == KIND
        for reject in _rejects(page)
    ]


def pages_with(
    records: Collection[StepRecord], more: Iterable[tuple[str, StepKind, Sequence[Reject]]]
) -> list[StepRecord]:
    """The pages that change when `more` rows (by table and kind of step) are rejected."""
    next_id = max((record.step_id for record in records), default=0) + 1
    changed: list[StepRecord] = []
    for table, kind, rejects in more:
        if not rejects:
            continue
        pages = [r for r in records if r.kind == KIND and r.table == table and _kind(r) is kind]
        last = max(pages, key=lambda page: page.step_id, default=None)
        known = {row.line for page in pages for row in _rejects(page)}
        rows = [*(_rejects(last) if last else ()), *(r for r in rejects if r.line not in known)]
        number = len(pages) or 1
        for start in range(0, len(rows), PAGE_ROWS):
            if start or last is None:
                last = _page(next_id, table, f"{kind.value}-{number}")
                next_id += 1
            changed.append(_holding(last, rows[start : start + PAGE_ROWS]))
            number += 1
    return changed


def pages_of(records: Collection[StepRecord], rejected: Iterable[Rejected]) -> list[StepRecord]:
    """The pages that hold these rows, where `records` have none yet."""
    groups: dict[tuple[str, StepKind], list[Reject]] = {}
    for row in rejected:
        groups.setdefault((row.table, row.kind), []).append(row.reject)
    return pages_with(records, [(table, kind, rows) for (table, kind), rows in groups.items()])


def pages_without(
    records: Iterable[StepRecord], gone: Callable[[Rejected], bool]
) -> list[StepRecord]:
    """The pages that change when rows aren't rejected any more."""
    changed: list[StepRecord] = []
    for page in records:
        if page.kind != KIND:
            continue
        rows = _rejects(page)
        kept = [row for row in rows if not gone(Rejected(page.table, _kind(page), row))]
        if len(kept) < len(rows):
            changed.append(_holding(page, kept))
    return changed


def settled(
    records: Collection[StepRecord], table: str, written: Collection[str], gone: Collection[str]
) -> list[StepRecord]:
    """What changes when rejected rows of a table (by line) are in the target after all, or no more."""
    lines = {*written, *gone}
    mine = [r for r in all_rejected(records) if r.table == table and r.reject.line in lines]
    steps = [
        _counted(
            step,
            written=sum(r.reject.line in written for r in mine if r.kind == step.kind),
            gone=sum(r.reject.line in gone for r in mine if r.kind == step.kind),
        )
        for step in records
        if step.table == table and step.kind in {row.kind for row in mine}
    ]
    pages = pages_without(records, lambda row: row.table == table and row.reject.line in lines)
    return [*steps, *pages]


def _counted(step: StepRecord, *, written: int, gone: int) -> StepRecord:
    """A step with so many rejected rows fewer; the rows of a second pass are counted already."""
    rows = step.kind == StepKind.ROWS
    figures: dict[str, JSON] = {
        "rejected": max(0, int(str(step.document.get("rejected", 0))) - written - gone),
        "skipped": int(str(step.document.get("skipped", 0))) + gone * rows,
    }
    return replace(step, rows=step.rows + written * rows, document={**step.document, **figures})


def _page(number: int, table: str, which: str) -> StepRecord:
    return StepRecord(number, table, KIND, "done", None, 0, 0, 0, {"which": which})


def _holding(page: StepRecord, rows: Iterable[Reject]) -> StepRecord:
    listed = [[row.line, list(row.key), row.reason] for row in rows]
    return replace(page, document={**page.document, "rows": listed})


def _kind(page: StepRecord) -> StepKind:
    return StepKind(str(page.document.get("which")).partition("-")[0])


def _rejects(page: StepRecord) -> list[Reject]:
    found: list[Reject] = []
    for row in items(page.document.get("rows")):
        line, key, reason = items(row)
        found.append(Reject(str(line), tuple(map(str, items(key))), str(reason)))
    return found
