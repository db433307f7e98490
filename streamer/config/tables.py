"""`[tables."schema.table"]` of a TOML file → what is asked of single tables and columns."""

from __future__ import annotations

import json
import keyword
import re
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar, cast

from streamer.config import known, names, values
from streamer.errors import nearest
from streamer.model import ColumnOptions, TableOptions, TypeOptions
from streamer.model.shaping import Mask, WithoutRowid

T = TypeVar("T")

ABOVE = "write it above the first [...] of the file"

_BARE = r"[A-Za-z0-9_-]{1,80}"
_SHOWN = 80
_WITHOUT_ROWID: Callable[[str], WithoutRowid] = values.word("auto", "always", "never")
_MASK: Callable[[str], Mask] = values.word("null", "hash", "redact")


def spelled(key: str) -> str:
    """A TOML key as one would write it: in quotes where that is needed, short and on one line."""
    if re.fullmatch(_BARE, key):
        return key
    cut = key if len(key) <= _SHOWN else key[:_SHOWN] + "..."
    return json.dumps(cut, ensure_ascii=not cut.isprintable())


def read_tables(found: object, where: str, problems: list[str]) -> dict[str, TableOptions]:
    """The tables' options by name without quotes; what is wrong in them is added to `problems`.

    `where` they stand is the name of a file, or what else the user calls it.
    """
    top = _Section("tables", where, {}, problems)
    if not isinstance(found, dict):
        top.problem(
            'holds what is asked of single tables; write [tables."schema.table"] for each,'
            " or table = [...] for which are moved"
        )
        return {}
    tables: dict[str, TableOptions] = {}
    spellings: dict[str, str] = {}
    for key, value in cast("dict[str, object]", found).items():
        section = top.inner(key, value)
        name = _name(key)
        if (other := spellings.setdefault(names.same(name), key)) != key:
            section.problem(f"names the same table as tables.{spelled(other)}; write one of them")
        tables[name] = _table(section)
    return tables


def _name(key: str) -> str:
    # In TOML's own quotes a name needs no others: what doesn't look like SQL is taken as it is.
    found = names.parts(key) if '"' in key else None
    return ".".join(found) if found else key


def _table(section: _Section) -> TableOptions:
    options = TableOptions(
        where=section.text("where"),
        columns=section.texts("columns"),
        exclude_columns=section.texts("exclude_columns"),
        rename=section.text("rename", _target_table),
        transform=section.text("transform", _function),
        key=section.texts("key"),
        exclude_foreign_keys=section.texts("exclude_foreign_keys"),
        without_rowid=section.choice("without_rowid", _WITHOUT_ROWID),
        autoincrement=section.flag("autoincrement"),
        types=section.types(),
        column={
            name: _column(section.inner("column", {}).inner(name, value))
            for name, value in section.tables("column").items()
        },
    )
    section.exclude_each_other("columns", "exclude_columns")
    section.refuse_unknown(
        lambda key: (
            f"write [tables.{spelled(f'{section.name}.{key}')}] for a table of a schema,"
            f" [{section.where}.column.{spelled(key)}] for a column"
        )
    )
    return options


def _column(section: _Section) -> ColumnOptions:
    options = ColumnOptions(
        rename=section.text("rename", _target_column),
        expression=section.text("expression"),
        mask=section.choice("mask", _MASK),
        types=section.types(),
    )
    section.exclude_each_other("expression", "mask")
    section.refuse_unknown(lambda _: "correct its name or remove it")
    return options


class _Section:
    """A TOML table whose keys are asked for one by one; what nobody asked for is unknown."""

    def __init__(
        self,
        where: str,
        place: str,
        found: Mapping[str, object],
        problems: list[str],
        name: str = "",
    ) -> None:
        self.where = where
        self.name = name
        self._place = place
        self._found = found
        self._problems = problems
        self._asked: list[str] = []

    def problem(self, what: str, key: str = "") -> None:
        """Note what is wrong with the table, or with its `key`."""
        where = f"{self.where}.{spelled(key)}" if key else self.where
        self._problems.append(f"{where} ({self._place}): {what}")

    def inner(self, key: str, value: object) -> _Section:
        """The table that stands under `key`; an empty one where something else does."""
        found = cast("dict[str, object]", value) if isinstance(value, dict) else {}
        section = _Section(f"{self.where}.{spelled(key)}", self._place, found, self._problems, key)
        if not isinstance(value, dict):
            section.problem(
                f"takes a table, not {_kind(value)}; write [{section.where}], and settings below it"
            )
        if problem := _empty(key):
            section.problem(f"{problem}; write a name between the dots")
        return section

    def tables(self, key: str) -> dict[str, object]:
        """What stands in the table `key`."""
        self._asked.append(key)
        value = self._found.get(key, {})
        if isinstance(value, dict):
            return cast("dict[str, object]", value)
        self.problem(f"takes a table for each; write [{self.where}.{spelled(key)}.NAME]", key)
        return {}

    def text(self, key: str, check: Callable[[str], str] | None = None) -> str:
        """A text with something in it; '' where nothing was said, or nothing usable."""
        if (value := self._ask(key)) is None:
            return ""
        if not isinstance(value, str):
            self.problem(f'takes a text, not {_kind(value)}; write {key} = "..."', key)
            return ""
        if problem := _empty(value):
            self.problem(f"{problem}; write something, or leave {key} out", key)
            return ""
        return self._parsed(key, check or str, value) or ""

    def texts(self, key: str) -> tuple[str, ...]:
        """Several texts, each once."""
        if (value := self._ask(key)) is None:
            return ()
        items = cast("Sequence[object]", value) if isinstance(value, list) else [value]
        texts = tuple(item for item in items if isinstance(item, str))
        if len(texts) < len(items) or not texts:
            self.problem(f'takes a list of names; write {key} = ["...", "..."]', key)
        elif problem := next((found for text in texts if (found := _empty(text))), ""):
            self.problem(f"one of its names {problem}; write each name, or leave {key} out", key)
        elif len({*texts}) < len(texts):
            twice = next(text for text in texts if texts.count(text) > 1)
            self.problem(f"names {values.shown(twice)} twice; write it once", key)
        else:
            return texts
        return ()

    def flag(self, key: str) -> bool | None:
        """True or false; None where nothing was said."""
        if (value := self._ask(key)) is None or isinstance(value, bool):
            return value
        self.problem(f"is neither true nor false; write {key} = true, or false", key)
        return None

    def choice(self, key: str, parse: Callable[[str], T]) -> T | None:
        """One of several words; None where nothing was said."""
        value = self._ask(key)
        # What isn't a text is told apart by what may be written instead.
        return None if value is None else self._parsed(key, parse, _written(value))

    def types(self) -> dict[str, str]:
        """The type options that were given, by name."""
        given = {
            name: self.choice(name, values.word(*TypeOptions.choices(name)))
            for name in TypeOptions.names()
        }
        return {name: choice for name, choice in given.items() if choice is not None}

    def exclude_each_other(self, first: str, second: str) -> None:
        """Note it where both are given."""
        if first in self._found and second in self._found:
            self.problem(f"{first} and {second} exclude each other; write one of them")

    def refuse_unknown(self, advise: Callable[[str], str]) -> None:
        """Note every key that nobody asked for; `advise` says where the table of that name belongs."""
        for key, value in self._found.items():
            if key in self._asked:
                continue
            guess = nearest(key[:80], self._asked)
            if isinstance(value, dict):
                self.problem(f"unknown table{guess}; {advise(key)}", key)
            elif key in {setting.key for setting in known.ALL}:
                self.problem(f"is a setting for the whole run; {ABOVE}", key)
            else:
                self.problem(f"unknown setting{guess}; correct its name or remove it", key)

    def _ask(self, key: str) -> object:
        self._asked.append(key)
        return self._found.get(key)

    def _parsed(self, key: str, parse: Callable[[str], T], text: str) -> T | None:
        try:
            return parse(text)
        except ValueError as error:
            self.problem(str(error), key)
            return None


def _target_table(text: str) -> str:
    if problem := names.reserved(text, column=False):
        raise ValueError(problem)
    return text


def _target_column(text: str) -> str:
    if problem := names.reserved(text, column=True):
        raise ValueError(problem)
    return text


def _function(text: str) -> str:
    module, colon, function = text.partition(":")
    if not colon or not all(map(_is_name, [*module.split("."), *function.split(".")])):
        raise ValueError(
            f"{values.shown(text)} is not a function; write module:function, for example"
            " my_transforms:orders"
        )
    return text


def _is_name(text: str) -> bool:
    return text.isidentifier() and not keyword.iskeyword(text)


def _empty(text: str) -> str:
    if not text.strip():
        return "is empty"
    return "holds a zero byte, which PostgreSQL doesn't take" if "\0" in text else ""


def _written(value: object) -> str:
    return value if isinstance(value, str) else _kind(value)


def _kind(value: object) -> str:
    match value:
        case bool():
            return "true or false"
        case int() | float():
            return "a number"
        case list():
            return "a list"
        case dict():
            return "a table"
        case _:
            return "a date or time"
