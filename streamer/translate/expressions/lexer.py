"""The tokens of an expression: strings are set aside, and what isn't known is refused by name.

sqlglot loses or misreads some of PostgreSQL's literals and operators without a word (30.30,
2026-11-22: E'…' becomes nothing, B'101' the number 5). So it never sees them: each string stands in
its text as a placeholder, and every operator and function has to be one that is known here.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator

from streamer.frozen import frozen
from streamer.translate.expressions.values import UntranslatableError
from streamer.translate.names import quote

_TOKEN = re.compile(
    r"""
      (?P<space>\s+)
    | (?P<prefixed>(?:[EeBbXxNn]|[Uu]&)'(?:[^'\\]|''|\\.)*')
    | (?P<string>'(?:[^']|'')*')
    | (?P<quoted>"(?:[^"]|"")+")
    | (?P<number>\d+(?:\.\d*)?(?:[eE][+-]?\d+)?|\.\d+(?:[eE][+-]?\d+)?)
    | (?P<type>::)
    | (?P<word>[^\W\d][\w$]*)
    | (?P<operator>[-+*/<>=~!@\#%^&|`?]+)
    | (?P<mark>[()\[\],.;])
    """,
    re.VERBOSE | re.DOTALL,
)


def _words(text: str) -> frozenset[str]:
    return frozenset(re.findall(r"\S+", text))


_OPERATORS = _words("= <> < <= > >= + - * / % || ~~ !~~ ->>")
_REGULAR = frozenset({"~", "~*", "!~", "!~*"})
_CASELESS = frozenset({"~~*", "!~~*"})

# Words that may stand before a parenthesis and are no functions.
_GRAMMAR = _words(
    """
    and or not in any all is when then else case end array check from by on using as select where
    having distinct union between join both leading trailing for value values varying numeric
    character bit time timestamp bpchar varchar decimal float char order group limit lateral
    """
)
FUNCTIONS = _words(
    """
    abs btrim ltrim rtrim trim length char_length character_length octet_length bit_length lower
    upper coalesce nullif greatest least substr substring strpos position starts_with left right
    replace concat num_nulls num_nonnulls mod now statement_timestamp transaction_timestamp
    clock_timestamp timezone gen_random_uuid uuid_generate_v4 current_timestamp current_time
    localtimestamp localtime count sum min max
    """
)
_PHRASES = re.compile(
    r"""
    character\ varying | double\ precision | bit\ varying
    | (?:timestamp|time)(?:\(\d\))?\ with(?:out)?\ time\ zone
    | at\ time\ zone | is\ (?:not\ )?(?:unknown|null|true|false)
    """,
    re.VERBOSE | re.IGNORECASE,
)
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_LARGEST = 20_000  # characters of an expression; nobody's check is longer


@frozen
class Text:
    """A string literal's value; `bits`: it was written B'…'."""

    value: str
    bits: bool = False


@frozen
class Prepared:
    """An expression whose strings are placeholders: `'s0'` is the first of `strings`."""

    sql: str
    strings: tuple[Text, ...]
    numbers: tuple[str, ...]


def prepare(sql: str, names: Collection[str] = ()) -> Prepared:
    """The expression as sqlglot may see it; `names` are columns, which are quoted where bare.

    Raises:
        UntranslatableError: it has tokens, operators or functions that aren't known.
    """
    if len(sql) > _LARGEST:
        raise UntranslatableError("it is too long")
    strings: list[Text] = []
    numbers: list[str] = []
    parts: list[str] = []
    tokens = list(_tokens(sql))
    for place, (kind, text) in enumerate(tokens):
        match kind:
            case "string" | "prefixed":
                parts.append(f"'s{len(strings)}'")
                strings.append(_string(text))
            case "number":
                parts.append(text)
                numbers.append(text)
            case "operator":
                _check_operator(text)
                parts.append(text)
            case "word" | "quoted":
                parts.append(_name(tokens, place, names))
            case _:
                parts.append(text)
    return Prepared("".join(parts), tuple(strings), tuple(numbers))


def _tokens(sql: str) -> Iterator[tuple[str, str]]:
    place = 0
    while place < len(sql):
        phrase = _PHRASES.match(sql, place)
        if phrase and not sql[phrase.end() : phrase.end() + 1].isidentifier():
            yield "phrase", phrase[0]
            place = phrase.end()
            continue
        token = _TOKEN.match(sql, place)
        if token is None:
            raise UntranslatableError(f"the sign {sql[place]} isn't known")
        yield str(token.lastgroup), token[0]
        place = token.end()


def _string(text: str) -> Text:
    start = text.index("'")
    prefix, value = text[:start].lower(), text[start + 1 : -1].replace("''", "'")
    match prefix:
        case "":
            return Text(value)
        case "e":
            # PostgreSQL prints E'…' for strings with backslashes, and doubles those.
            if not all(escape == "\\" for escape in _ESCAPE.findall(value)):
                raise UntranslatableError("it has a string with escapes")
            return Text(_ESCAPE.sub(r"\1", value))
        case "b" if set(value) <= {"0", "1"}:
            return Text(value, bits=True)
        case _:
            raise UntranslatableError(f"strings of the form {prefix.upper()}'…' aren't translated")


def _check_operator(text: str) -> None:
    if text in _REGULAR:
        raise UntranslatableError(f"regular expressions ({text}) are not available in D1")
    if text in _CASELESS:
        raise UntranslatableError("ILIKE follows PostgreSQL's letters, D1 knows only ASCII's")
    if text not in _OPERATORS:
        raise UntranslatableError(f"the operator {text} has no equal in D1")


def _name(tokens: list[tuple[str, str]], place: int, names: Collection[str]) -> str:
    kind, text = tokens[place]
    before = _near(tokens, place, -1)
    after = _near(tokens, place, 1)
    called = after[1] == "("
    name = text[1:-1].replace('""', '"') if kind == "quoted" else text
    if called and before[0] != "type" and before[1] != ".":
        if kind == "word" and text.lower() in _GRAMMAR and text not in names:
            return text
        if name not in FUNCTIONS and (kind == "quoted" or text.lower() not in FUNCTIONS):
            raise UntranslatableError(f"{name}() is not available in D1")
        return text
    # PostgreSQL prints bare names in lower case and its own words in upper case, save VALUE.
    bare = kind == "word" and text in names and (text.islower() or text == "VALUE")
    alone = before[0] != "type" and before[1] != "." and after[1] != "."
    return quote(text) if bare and alone else text


def _near(tokens: list[tuple[str, str]], place: int, step: int) -> tuple[str, str]:
    place += step
    while 0 <= place < len(tokens):
        if tokens[place][0] != "space":
            return tokens[place]
        place += step
    return "", ""
