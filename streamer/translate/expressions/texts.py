"""Functions of text, where SQLite's do the same for every text."""

from __future__ import annotations

from collections.abc import Sequence

from streamer.translate.expressions import forms
from streamer.translate.expressions.comparisons import condition
from streamer.translate.expressions.values import Form, UntranslatableError, Value, text_literal

_PATTERN_BYTES = 50  # developers.cloudflare.com/d1/platform/limits, 2026-11-22: LIKE and GLOB
_TRIMS = {"trim": "trim", "btrim": "trim", "ltrim": "ltrim", "rtrim": "rtrim"}


def text(sql: str, *, note: str = "") -> Value:
    """A function's result that is text."""
    return Value(sql, Form.TEXT, "text", note=note)


def integer(sql: str, kind: str = "int4") -> Value:
    """A function's result that is an integer."""
    return Value(sql, Form.INTEGER, kind)


def length(value: Value) -> Value:
    """Characters of text, without the padding of char(n); bytes of a bytea."""
    if value.form not in (Form.TEXT, Form.CHARACTER, Form.BYTES):
        raise UntranslatableError(f"the length of {value.type} values isn't D1's")
    return integer(f"length({value.sql})")


def octets(value: Value, *, bits: bool = False) -> Value:
    """Bytes of text or of a bytea; bits: eight times as many."""
    if value.form not in (Form.TEXT, Form.BYTES):
        raise UntranslatableError(f"the length of {value.type} values isn't D1's")
    if bits:
        return Value(f"octet_length({value.sql}) * 8", Form.INTEGER, "int4", atomic=False)
    return integer(f"octet_length({value.sql})")


def trimmed(name: str, values: Sequence[Value]) -> Value:
    """btrim, ltrim, rtrim: spaces, or all characters of a second text."""
    _need_texts(values, "trim()", 1, 2)
    return _like_first(f"{_TRIMS[name]}({_list(values)})", values[0])


def joined(left: Value, right: Value) -> Value:
    """`left || right`."""
    _need_texts((left, right), "||", 2, 2)
    return Value(f"{left.part} || {right.part}", Form.TEXT, "text", atomic=False)


def concatenated(values: Sequence[Value]) -> Value:
    """concat: NULLs count as ''."""
    _need_texts(values, "concat()", 1, 100)
    return text(f"concat({_list(values)})")


def replaced(values: Sequence[Value]) -> Value:
    """replace(text, from, to)."""
    _need_texts(values, "replace()", 3, 3)
    # SQLite's doesn't look at the third text where the second is ''.
    if not values[1].constant and values[2].constant is None:
        raise UntranslatableError("replace() is translated with constant texts only")
    return text(f"replace({_list(values)})")


def position(values: Sequence[Value]) -> Value:
    """strpos(text, sought): 0 where it isn't, 1 for ''."""
    _need_texts(values, "strpos()", 2, 2)
    return integer(f"instr({_list(values)})")


def starting(values: Sequence[Value]) -> Value:
    """starts_with(text, start)."""
    _need_texts(values, "starts_with()", 2, 2)
    whole, start = values
    return condition(f"substr({whole.sql}, 1, length({start.sql})) = {start.part}")


def part(values: Sequence[Value]) -> Value:
    """substr(text, start[, length]) from a constant start in the text."""
    _need_texts(values[:1], "substr()", 1, 1)
    start, size = _whole(values[1], "substr()"), None
    if len(values) > 2:
        size = _whole(values[2], "substr()")
    if start < 1 or (size is not None and size < 0):
        raise UntranslatableError("substr() from before the text isn't translated")
    return _like_first(f"substr({_list(values)})", values[0])


def left(values: Sequence[Value]) -> Value:
    """Left: the first n characters; of a negative n all but the last."""
    _need_texts(values[:1], "left()", 1, 1)
    source, count = values[0], _whole(values[1], "left()")
    if count >= 0:
        return _like_first(f"substr({source.sql}, 1, {count})", source)
    kept = f"max(length({source.sql}) - {-count}, 0)"
    return _like_first(f"substr({source.sql}, 1, {kept})", source)


def right(values: Sequence[Value]) -> Value:
    """Right: the last n characters; of a negative n all but the first."""
    _need_texts(values[:1], "right()", 1, 1)
    source, count = values[0], _whole(values[1], "right()")
    if count > 0:
        return _like_first(f"substr({source.sql}, -{count})", source)
    kept = f"substr({source.sql}, 1, 0)" if count == 0 else f"substr({source.sql}, {1 - count})"
    return _like_first(kept, source)


def cased(name: str, value: Value) -> Value:
    """Lower or upper: SQLite's change ASCII letters only."""
    _need_texts((value,), f"{name}()", 1, 1)
    return text(f"{name}({value.sql})", note=f"{name}() changes ASCII letters only")


def matching(value: Value, pattern: Value, *, negated: bool) -> Value:
    """LIKE, whose case SQLite's ignores: so GLOB, or a part of the text that is equal."""
    if value.form is not Form.TEXT or not isinstance(pattern.constant, str):
        raise UntranslatableError("LIKE is translated for text with a constant pattern only")
    if pattern.form is not Form.TEXT:
        raise UntranslatableError("LIKE is translated for text with a constant pattern only")
    _need_texts((value,), "LIKE", 1, 1)
    pieces = _pieces(pattern.constant)
    if pieces is None:
        raise UntranslatableError("its LIKE pattern ends in an escape")
    glob = "".join(_GLOBS.get(piece, piece) if wild else _plain(piece) for piece, wild in pieces)
    if len(glob.encode()) <= _PATTERN_BYTES:
        return condition(f"{value.part} {'NOT GLOB' if negated else 'GLOB'} {text_literal(glob)}")
    sql = _long(value, pieces)
    return condition(f"NOT ({sql})" if negated else sql)


_GLOBS = {"%": "*", "_": "?"}


def _plain(piece: str) -> str:
    return f"[{piece}]" if piece in "*?[" else piece


def _pieces(pattern: str) -> list[tuple[str, bool]] | None:
    """Each character with whether it is a wildcard; None where PostgreSQL raises an error."""
    pieces: list[tuple[str, bool]] = []
    letters = iter(pattern)
    for letter in letters:
        if letter == "\\":
            following = next(letters, None)
            if following is None:
                return None
            pieces.append((following, False))
        else:
            pieces.append((letter, letter in "%_"))
    return pieces


def _long(value: Value, pieces: list[tuple[str, bool]]) -> str:
    """A pattern that is too long for D1: text with % at its ends only."""
    body = list(pieces)
    ends = bool(body) and body[-1] == ("%", True)
    if ends:
        body.pop()
    starts = bool(body) and body[0] == ("%", True)
    if starts:
        body.pop(0)
    if any(wild for _, wild in body):
        raise UntranslatableError("D1 allows patterns of 50 bytes only")
    literal = text_literal("".join(letter for letter, _ in body))
    if starts and ends:
        return f"instr({value.sql}, {literal}) > 0"
    if starts:
        return f"substr({value.sql}, -{len(body)}) = {literal}"
    if ends:
        return f"substr({value.sql}, 1, {len(body)}) = {literal}"
    return f"{value.part} = {literal}"


def _need_texts(values: Sequence[Value], name: str, least: int, most: int) -> None:
    if not least <= len(values) <= most:
        raise UntranslatableError(f"{name} isn't translated with {len(values)} arguments")
    for value in values:
        if value.form not in (Form.TEXT, Form.NULL):
            raise UntranslatableError(f"{name} is translated for text only")
        if value.folded:
            raise UntranslatableError(forms.FOLDED)


def _like_first(sql: str, first: Value) -> Value:
    return Value(sql, Form.TEXT, "text", byte_order=first.byte_order and first.constant is None)


def _whole(value: Value, name: str) -> int:
    if not isinstance(value.constant, int) or value.form is not Form.INTEGER:
        raise UntranslatableError(f"{name} is translated with constant numbers only")
    return value.constant


def _list(values: Sequence[Value]) -> str:
    return ", ".join(value.sql for value in values)
