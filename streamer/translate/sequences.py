"""What numbers a table's new rows: PostgreSQL's sequences, and D1's own row numbers."""

from __future__ import annotations

from streamer.frozen import frozen
from streamer.model import Column, Finding, Sequence, Severity
from streamer.translate.terms import Terms

_NUMBERING = "nextval("
_HINT = "Let INSERTs supply the value where it matters"


@frozen
class Numbering:
    """How D1 numbers new rows.

    `after_sql` brings D1's counter up to PostgreSQL's once the rows are there; it may run again.
    """

    autoincrement: bool = False
    after_sql: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()


def is_numbered(column: Column, default: str | None) -> bool:
    """Whether a sequence gives the column its values."""
    return bool(column.identity) or (default or "").startswith(_NUMBERING)


def number_rows(terms: Terms) -> Numbering:
    """What becomes of the sequence behind the column that is the row's number in D1.

    Whether D1 goes on with another number than PostgreSQL is for the rows to answer.
    """
    if not terms.alias:
        return Numbering()
    column = terms.table.column(terms.alias)
    sequence = column.sequence if is_numbered(column, column.default) else None
    odd = [] if sequence is None else _oddities(sequence, steps=terms.autoincrement)
    counter = 0 if sequence is None or sequence.hidden else next_value(sequence) - 1
    if terms.autoincrement and sequence is not None and sequence.hidden:
        odd.append("can't be looked at by the role that reads, so D1's counter isn't set")
    said: tuple[Finding, ...] = ()
    if sequence is not None and odd:
        what = f"its sequence {sequence.name} {' and '.join(odd)}; D1 counts each table by one"
        said = (Finding(Severity.WARNING, terms.object(column.name), what, _HINT),)
    return Numbering(
        autoincrement=terms.autoincrement,
        after_sql=_set_counter(terms.target, counter) if terms.autoincrement else (),
        findings=said,
    )


def lost_numbering(column: Column) -> str:
    """What to say of a sequence behind a column that D1 doesn't number."""
    kind = "identity" if column.identity else f"default {column.default}"
    lost = f"the {kind} isn't carried over, D1 has no sequences"
    if column.sequence is None or column.sequence.hidden:
        return lost
    return f"{lost} (PostgreSQL's next value is {next_value(column.sequence)})"


def next_value(sequence: Sequence) -> int:
    """What PostgreSQL would draw next."""
    if sequence.last_value is None:
        return sequence.start
    return sequence.last_value + sequence.increment


def _set_counter(target: str, counter: int) -> tuple[str, ...]:
    """Statements that raise the counter of an AUTOINCREMENT table to at least `counter`."""
    if counter <= 0:
        return ()
    name = target.replace("'", "''")
    there = f"SELECT 1 FROM sqlite_sequence WHERE name = '{name}'"
    return (
        f"INSERT INTO sqlite_sequence (name, seq) SELECT '{name}', 0 WHERE NOT EXISTS ({there})",
        f"UPDATE sqlite_sequence SET seq = {counter} WHERE name = '{name}' AND seq < {counter}",
    )


def _oddities(sequence: Sequence, *, steps: bool) -> list[str]:
    odd: list[str] = []
    if steps and sequence.increment != 1:
        odd.append(f"counts in steps of {sequence.increment}")
    if sequence.cycle:
        odd.append("starts again at its end")
    if sequence.shared:
        odd.append("numbers other columns too")
    return odd
