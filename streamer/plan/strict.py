"""What a STRICT table can't hold, as questions to the rows."""

from __future__ import annotations

from streamer.model import Finding, Question, Severity, Storage
from streamer.plan.draft import Draft
from streamer.plan.promises import ALWAYS_NUMBERS

_HINT = 'Store them otherwise (nan = "null", or text), or leave `strict` off'


def strict_questions(draft: Draft) -> list[Question]:
    """Refusals of columns whose text for some value isn't a number although they store numbers."""
    questions: list[Question] = []
    for column in draft.columns:
        if column.storage not in {Storage.INTEGER, Storage.REAL}:
            continue
        kind = draft.table.column(column.source).type.base
        if kind.schema == "pg_catalog" and kind.name in ALWAYS_NUMBERS:
            continue
        finding = Finding(
            Severity.REFUSAL,
            f"{draft.table.name}.{column.source}",
            "holds {rows} values that are no numbers (NaN, infinity),"
            " which a STRICT table doesn't take",
            _HINT,
        )
        condition = f"({column.read_sql}) !~ '^[-+0-9.e]+$'"
        questions.append(Question(draft.table.name, finding, condition))
    return questions
