"""Views: not yet."""

from __future__ import annotations

from collections.abc import Mapping

from streamer.model import QualifiedName
from streamer.translate.expressions.values import Relation, Translated, UntranslatableError


def view(definition: str, relations: Mapping[QualifiedName, Relation]) -> Translated:
    """See the package."""
    raise UntranslatableError("views aren't translated")
