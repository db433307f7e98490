"""The user's own SQL, `where` and `expression`: whether a text can stand inside our queries."""

from __future__ import annotations

import re

_TOKENS = r"""(?xs)
      (?P<string>  (?P<escaped>\b[eE])?'                   )
    | (?P<name>    "(?:[^"]|"")*"                          )
    | (?P<dollar>  \$(?:[^\W\d]\w*)?\$            )
    | (?P<parameter> \$\d                                  )
    | (?P<line>    --                                      )
    | (?P<block>   /\*                                     )
    | (?P<word>    \w[\w$]*                                )
    | (?P<other>   .                                       )
    """
_PLAIN_STRING = r"(?:[^']|'')*'"
_ESCAPED_STRING = r"(?s)(?:[^'\\]|\\.|'')*'"
_UNCLOSED = {"string": "a string", "dollar": "a dollar-quoted string", "block": "a comment"}
_REFUSED = {
    "line": "comments that end with the line can't be used here, write /* … */",
    "parameter": "there are no parameters",
}
_CLOSES = {")": "(", "]": "["}


def fragment_problem(sql: str) -> str:
    """Why `sql` can't be one value in a larger query, in a few words; '' where it can.

    It must close what it opens and be neither the end of a statement nor of a line: then, in
    parentheses, it stays what it is wherever it stands. Whether it means anything, PostgreSQL says.
    """
    if not sql.strip():
        return "is empty"
    if "\0" in sql:
        return "holds a NUL"
    opened: list[str] = []
    at = 0
    tokens = re.compile(_TOKENS)
    while at < len(sql):
        token = tokens.match(sql, at)
        assert token is not None  # the last alternative takes anything
        kind = token.lastgroup
        at = _after(sql, token)
        if at < 0:
            return f"{_UNCLOSED[kind or '']} isn't closed"
        if kind in _REFUSED:
            return _REFUSED[kind]
        if kind == "other" and (problem := _bracket(token[0], opened)):
            return problem
    return f"{opened[-1]} isn't closed" if opened else ""


def _after(sql: str, token: re.Match[str]) -> int:
    """Where what begins with this token ends; -1 where it doesn't."""
    match token.lastgroup:
        case "string":
            body = _ESCAPED_STRING if token["escaped"] else _PLAIN_STRING
            found = re.compile(body).match(sql, token.end())
            return found.end() if found else -1
        case "dollar":
            end = sql.find(token[0], token.end())
            return end + len(token[0]) if end >= 0 else -1
        case "block":
            return _end_of_comment(sql, token.end())
        case _:
            return token.end()


def _bracket(letter: str, opened: list[str]) -> str:
    """Keep account of parentheses and brackets in `opened`; what is wrong with this letter."""
    problem = ""
    if letter in "([":
        opened.append(letter)
    elif letter in _CLOSES:
        if not opened or opened.pop() != _CLOSES[letter]:
            problem = f"{letter} closes nothing"
    elif letter == ";":
        problem = "; ends a statement, one value is wanted"
    elif letter == '"':
        problem = "a quoted name isn't closed"
    return problem


def _end_of_comment(sql: str, at: int) -> int:
    """Where the comment that was opened before `at` ends; PostgreSQL's comments nest."""
    depth = 1
    for mark in re.compile(r"/\*|\*/").finditer(sql, at):
        depth += 1 if mark[0] == "/*" else -1
        if depth == 0:
            return mark.end()
    return -1
