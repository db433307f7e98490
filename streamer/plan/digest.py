"""Hundreds of findings in a few lines: those of one kind together. Pure.

Two findings are of one kind where their sentences, and what to do about them, differ only in names,
numbers, quoted texts and what stands in parentheses.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from streamer.frozen import frozen
from streamer.model import Finding
from streamer.plan.hints import EXCLUDE

NAMED = 3  # objects of a kind that a line names
_OMITTED = "…"

_TOKEN = (
    r"""(?xs)(?<!\w)'(?:[^']|'')*' | "(?:[^"]|"")*" | (?<!\w)\d+(?:,\d{3})*(?:\.\d+)?(?!\w)"""
    r"""| [\w$]+(?:\.[\w$]+)* | \(\) | ."""
)
_DETAIL = r"""(?s)['"].+|\d+(?:,\d{3})*(?:\.\d+)?|[\w$]+(?:\.[\w$]+)+"""


@frozen
class Kind:
    """Findings that say the same of different objects, in the order in which they came.

    `what` and `hint` are theirs, with an ellipsis for what isn't the same in all of them.
    """

    findings: tuple[Finding, ...]
    what: str
    hint: str

    @property
    def objects(self) -> str:
        """The first objects by name, and how many more there are."""
        names = [finding.object for finding in self.findings[:NAMED]]
        more = len(self.findings) - len(names)
        return ", ".join(names) + (f" and {more:,} more" if more else "")


def kinds(findings: Iterable[Finding]) -> list[Kind]:
    """The findings by kind, in the order in which the kinds first came."""
    alike: dict[object, list[tuple[Finding, list[str], list[str]]]] = {}
    for finding in findings:
        names = frozenset(finding.object.split("."))
        what, hint = list(_pieces(finding.what, names)), list(_pieces(finding.hint, names))
        shape = (finding.severity, *what[::2], None, *hint[::2])
        alike.setdefault(shape, []).append((finding, what, hint))
    return [
        Kind(
            findings=tuple(finding for finding, _, _ in members),
            what=_common([what for _, what, _ in members]),
            hint=_common([hint for _, _, hint in members]),
        )
        for members in alike.values()
    ]


def sentence(finding: Finding) -> str:
    """A finding in a line: the object, what becomes of it, what to do."""
    return _sentence(finding.object, finding.what, finding.hint)


def in_short(findings: Iterable[Finding]) -> Iterator[str]:
    """The findings in a line for each kind."""
    for kind in kinds(findings):
        count = len(kind.findings)
        objects = kind.objects if count == 1 else f"{count:,} objects ({kind.objects})"
        yield _sentence(objects, kind.what, kind.hint)


def _sentence(objects: str, what: str, hint: str) -> str:
    if hint in {"", EXCLUDE}:
        return f"{objects}: {what}"  # what to do about any refusal is said once for all of them
    return f"{objects}: {what}. {hint}" + ("" if hint.endswith(("?", ".")) else ".")


def _pieces(text: str, names: frozenset[str]) -> Iterator[str]:
    """What findings of a kind have in common and what is a finding's own, by turns."""
    common, own, depth = "", "", 0
    for token in re.findall(_TOKEN, text):
        depth += (token == "(") - (token == ")" and depth > 0)
        if depth or own.startswith("("):
            own += token
        elif token in names or re.fullmatch(_DETAIL, token):
            own = token
        else:
            common += token
        if own and not depth:
            yield common
            yield own
            common, own = "", ""
    yield common
    if own:  # its parenthesis isn't closed
        yield own
        yield ""


def _common(members: Sequence[Sequence[str]]) -> str:
    """The sentence of all members, which have as many pieces each."""
    if all(member == members[0] for member in members):
        return "".join(members[0])
    columns = zip(*members, strict=True)
    pieces = (column[0] if len({*column}) == 1 else _omitted(column[0]) for column in columns)
    return re.sub(r"…(?: ?…| \(…\))+", _OMITTED, "".join(pieces))


def _omitted(piece: str) -> str:
    return f"({_OMITTED})" if piece.startswith("(") else _OMITTED
