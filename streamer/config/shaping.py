"""How tables, columns and types are carried over: settings for all of them, and for single ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Protocol, TypeVar

from streamer.config import known, names, values
from streamer.config.known import Setting
from streamer.config.layers import Given, Place
from streamer.config.names import Renaming
from streamer.model import Secret, Shaping, TableOptions, TypeOptions

T = TypeVar("T")
U = TypeVar("U")


class Lookup(Protocol):
    """Finds settings, and keeps what is to be said about them."""

    problems: list[str]

    @property
    def tables(self) -> Mapping[str, TableOptions]:
        """What the TOML file asks of single tables."""
        ...

    def given(self, setting: Setting[object]) -> Given | None:
        """Who gave a setting, if anyone."""
        ...

    def optional(self, setting: Setting[T]) -> T | None:
        """A setting's value, None where nobody gave it."""
        ...

    def one(self, setting: Setting[T], default: U) -> T | U:
        """A setting's value, else `default`."""
        ...

    def many(self, setting: Setting[T], default: tuple[T, ...]) -> tuple[T, ...]:
        """The values of a setting that takes a list, else `default`."""
        ...

    def required(self, setting: Setting[T], what: str) -> T | None:
        """A setting's value; missing is a problem."""
        ...


def resolve_shaping(look: Lookup, *, reads: bool) -> Shaping:
    """All that was decided; a key for hashing must be there where rows are read (`reads`)."""
    base = Shaping()
    renamings = look.many(known.RENAME, ())
    tables = _less_columns(look, look.tables, look.many(known.EXCLUDE_COLUMNS, ()))
    chosen = {name: look.optional(setting) for name, setting in known.TYPES.items()}
    return Shaping(
        types=TypeOptions().but({name: word for name, word in chosen.items() if word is not None}),
        tables=_renamed(look, tables, renamings),
        rename={renaming.key: renaming.to for renaming in renamings},
        without_rowid=look.optional(known.WITHOUT_ROWID) or base.without_rowid,
        autoincrement=look.one(known.AUTOINCREMENT, default=False),
        strict=look.one(known.STRICT, default=False),
        comments=look.one(known.COMMENTS, default=False),
        checks=look.optional(known.CHECKS) or base.checks,
        defaults=look.optional(known.DEFAULTS) or base.defaults,
        views=look.optional(known.VIEWS) or base.views,
        matviews=look.optional(known.MATVIEWS) or base.matviews,
        foreign_tables=look.optional(known.FOREIGN_TABLES) or base.foreign_tables,
        hash_key=_hash_key(look, tables, reads=reads),
    )


def _less_columns(
    look: Lookup, tables: Mapping[str, TableOptions], excluded: Sequence[tuple[str, str]]
) -> dict[str, TableOptions]:
    """`tables` with the columns that are excluded without a table of their own in TOML."""
    less = {**tables}
    spellings = {names.same(name): name for name in tables}
    for table, column in excluded:
        name = spellings.setdefault(names.same(table), table)
        options = less.get(name, TableOptions())
        if options.columns:
            look.problems.append(
                f"{_where(look, known.EXCLUDE_COLUMNS)}: {values.shown(f'{table}.{column}')} can't be"
                " excluded where the table's settings have columns; remove it there instead"
            )
        elif column not in options.exclude_columns:
            columns = (*options.exclude_columns, column)
            less[name] = replace(options, exclude_columns=columns)
    return less


def _renamed(
    look: Lookup, tables: Mapping[str, TableOptions], renamings: Sequence[Renaming]
) -> dict[str, TableOptions]:
    """`tables` without the new names that a renaming from a higher place outweighs."""
    new: dict[str, str] = {}
    for renaming in renamings:
        for key in {names.same(renaming.key), renaming.key}:
            _agree(look, renaming.key, new.setdefault(key, renaming.to), renaming.to)
    given = look.given(known.RENAME)
    outweighed = given is not None and given.place < Place.TOML

    def kept(key: str, own: str) -> str:
        to = new.get(names.same(key), own)
        if own and not outweighed:
            _agree(look, key, own, to)
        return "" if own and to != own else own

    return {
        name: replace(
            options,
            rename=kept(name, options.rename),
            column={
                column: replace(asked, rename=kept(f"{name}.{column}", asked.rename))
                for column, asked in options.column.items()
            },
        )
        for name, options in tables.items()
    }


def _agree(look: Lookup, key: str, one: str, other: str) -> None:
    if one != other:
        problem = (
            f"{_where(look, known.RENAME)}: {values.shown(key)} can't be called both"
            f" {values.shown(one)} and {values.shown(other)}; write one of them"
        )
        if problem not in look.problems:
            look.problems.append(problem)


def _hash_key(look: Lookup, tables: Mapping[str, TableOptions], *, reads: bool) -> Secret | None:
    hashed = next(
        (
            f"{name}.{column}"
            for name, options in tables.items()
            for column, asked in options.column.items()
            if asked.mask == "hash"
        ),
        None,
    )
    if hashed is None or not reads:
        return look.optional(known.HASH_KEY)
    return look.required(
        known.HASH_KEY,
        f"a secret of {values.LEAST_HASH_KEY} characters or more, with which"
        f" {values.shown(hashed)} is hashed ({values.HASH_KEY_ADVICE})",
    )


def _where(look: Lookup, setting: Setting[object]) -> str:
    given = look.given(setting)
    return given.where if given is not None else setting.option
