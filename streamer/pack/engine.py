"""What D1's SQLite can do: releases differ, and the hosted service doesn't say which one it is."""

from __future__ import annotations

from collections.abc import Sequence

from streamer.frozen import frozen
from streamer.model import Result, Statement
from streamer.pack.doubles import hard_doubles_probe, probe_is_exact

ROWS = "_streamer_rows"
"""How statements call the rows of their JSON parameter; it begins as no user's table can."""


@frozen
class Engine:
    """One engine.

    `exact_floats`: it reads decimal text exactly (see `streamer.pack.doubles`). `jsonb_each`: it has
    the function of that name (since SQLite 3.51, sqlite.org/json1.html#jeach), which gives each row in
    SQLite's binary form as it finds it, where `json_each` prints the row as text again: a million
    rows of ten columns take a fifth less of D1's time. `single_quotes`: it reads JSON whose texts
    are in these, whatever is in them (since SQLite 3.42, sqlite.org/json1.html#json5_extensions).
    """

    exact_floats: bool = True
    jsonb_each: bool = True
    single_quotes: bool = True

    def rows(self, *, numbered: bool = False) -> str:
        """SQL for the rows of the JSON parameter ?1: `v` in binary form; `n` from 0 if `numbered`."""
        number = "key AS n," if numbered else ""
        value, function = (
            ("value", "jsonb_each") if self.jsonb_each else ("jsonb(value)", "json_each")
        )
        return f"SELECT {number}{value} AS v FROM {function}(?1)"

    def streamed(self, *, numbered: bool = False) -> str:
        """The same as the first table of a FROM, called `s`: a row at a time, each made once.

        The limit keeps SQLite from putting the function into the place of each use of `s.v`, which
        would make every row anew for every cell (sqlite.org/optoverview.html#flattening, rule 19).
        """
        return f"({self.rows(numbered=numbered)} LIMIT -1) AS s"

    def stored(self) -> str:
        """The same as a CTE called ROWS, for statements that may look at a row more than once."""
        return f"WITH {ROWS} AS MATERIALIZED ({self.rows()})"


CURRENT = Engine()
"""What workerd has."""

# Texts as COPY prints them, and what they are: all that is escaped, and much that must not matter.
_QUOTED = r"""[[1,null,'',' ','"','\'','\\','\\\'"\\','\u0001\u000a\u001f','{"a": "\\"\'"}','é😀','//','/*,]']]"""
_MEANT = (
    *(1, None, "", " ", '"', "'", "\\", "\\'\"\\", "\x01\n\x1f"),
    *('{"a": "\\"\'"}', "é😀", "//", "/*,]"),
)


def engine_probes() -> tuple[Statement, Statement, Statement]:
    """Statements that tell what an engine can do; it may refuse the last one."""
    cells = ",".join(f"value->>{n}" for n in range(len(_MEANT)))
    quotes = Statement.of(f"SELECT {cells} FROM json_each(?1)", _QUOTED)
    newer = Statement.of("SELECT count(*) FROM jsonb_each(?1)", "[[],[]]")
    return hard_doubles_probe(), quotes, newer


def probed(results: Sequence[Result]) -> Engine:
    """The engine that gave these answers to `engine_probes`, or to all but the last of them."""
    doubles, quotes, *newer = results
    return Engine(probe_is_exact(doubles), bool(newer), quotes.rows == (_MEANT,))
