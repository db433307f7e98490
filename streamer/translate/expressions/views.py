"""Views: SELECTs of columns and expressions over joined tables, grouped, sorted, and united.

No subqueries, no CTEs, no window functions, nothing LATERAL.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from streamer.model import QualifiedName
from streamer.translate.expressions.values import Relation, Translated

if TYPE_CHECKING:
    from streamer.translate.expressions.selects import Selects


def view(definition: str, relations: Mapping[QualifiedName, Relation]) -> Translated:
    """See the package."""
    from streamer.translate.expressions import selects  # noqa: PLC0415 (sqlglot: not before it's needed)

    reader: Selects = selects.Selects.of(definition, relations)
    return Translated(reader.sql())
