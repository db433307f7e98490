"""The list of values in `= ANY (…)`: an array of expressions, or an array's text."""

from __future__ import annotations

import re
from dataclasses import replace

from streamer.translate.expressions.syntax import Node, TypeName
from streamer.translate.expressions.values import UntranslatableError

_ELEMENT = re.compile(r'"((?:[^"\\]|\\.)*)"|([^",{}\\\s](?:[^",{}\\]*[^",{}\\\s])?)', re.DOTALL)


def elements(array: Node) -> list[tuple[Node, TypeName | None]]:
    """The elements of a one-dimensional array, each with the type it is cast to (None: to none)."""
    if array.op == "array":
        return [(part, None) for part in array.parts]
    if array.op != "cast" or array.type is None or not array.type.array:
        raise UntranslatableError("arrays of columns aren't translated")
    kind = replace(array.type, array=False)
    (inner,) = array.parts
    if inner.op == "string" and not inner.bits:
        return [(element, kind) for element in _of_text(inner.text)]
    return [(_again(element, own), kind) for element, own in elements(inner)]


def array_texts(text: str) -> list[str | None]:
    """The elements of a one-dimensional array's text; None is NULL.

    Raises:
        UntranslatableError: it is anything else.
    """
    if not (text.startswith("{") and text.endswith("}")):
        raise UntranslatableError("this array isn't a plain one")
    body, found, place = text[1:-1], [], 0
    texts: list[str | None] = []
    while body:
        found = _ELEMENT.match(body, place)
        if found is None:
            raise UntranslatableError("this array isn't a plain one")
        quoted, bare = found.groups()
        if quoted is not None:
            texts.append(re.sub(r"\\(.)", r"\1", quoted, flags=re.DOTALL))
        else:
            texts.append(None if bare.upper() == "NULL" else bare)
        place = found.end()
        if place == len(body):
            break
        if body[place] != ",":
            raise UntranslatableError("this array isn't a plain one")
        place += 1
    return texts


def _of_text(text: str) -> list[Node]:
    return [
        Node("null") if element is None else Node("string", text=element)
        for element in array_texts(text)
    ]


def _again(element: Node, kind: TypeName | None) -> Node:
    return element if kind is None else Node("cast", (element,), type=kind)
