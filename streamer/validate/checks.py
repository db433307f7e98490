"""What is checked of each table besides its rows: counts, references, JSON, uniqueness.

Each check is cut into stretches of rows that D1 can look at within a request's time.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Sequence

from streamer import limits
from streamer.frozen import frozen
from streamer.model import Answer, ForeignKeyPlan, Key, Result, Statement, TablePlan, TypeKind
from streamer.model.sql import quote_identifier
from streamer.validate.sides import Database
from streamer.validate.target_rows import COUNTED_ROWS, Walk, key_columns, key_text_sql

MOST_KEYS = 100  # named in a report
MOST_UNPARSED = 5_000  # texts that D1 can't parse, of which each is looked for in the source


@frozen
class Stretch:
    """The rows of a table behind the place `after` and up to `upto`; None: without a bound."""

    after: Key | None
    upto: Key | None

    @property
    def parameters(self) -> Key:
        """What `Walk.where` needs."""
        return (*(self.after or ()), *(self.upto or ()))


async def stretches(database: Database, walk: Walk, rows_expected: int) -> AsyncGenerator[Stretch]:
    """The whole table, in stretches of at most COUNTED_ROWS rows; a small one in one.

    A table that holds far more than `rows_expected` may be taken for a small one.
    """
    after: Key | None = None
    while rows_expected >= COUNTED_ROWS:
        answer = await database.execute([walk.edge(after, COUNTED_ROWS)])
        if not answer.results[0].rows:
            break
        upto = tuple(map(str, answer.results[0].rows[0]))
        yield Stretch(after, upto)
        after = upto
    yield Stretch(after, None)


@frozen
class Broken:
    """Rows of the target that break a rule: how many, and the keys of the first."""

    rule: str
    rows: int
    keys: tuple[Key, ...]


@frozen
class _Rule:
    """Which rows `o` break a rule (`condition`); `name` as a report calls it."""

    name: str
    condition: str
    most_keys: int = MOST_KEYS


class TableChecks:
    """The checks of one table; `heed_stop` raises where the command is to end early."""

    def __init__(
        self,
        database: Database,
        plan: TablePlan,
        rows_expected: int,
        heed_stop: Callable[[], None],
    ) -> None:
        self._database = database
        self._plan = plan
        self._walk = Walk.through(plan)
        self._rows_expected = rows_expected
        self._heed_stop = heed_stop
        keys = key_columns(plan)
        self._texts = [key_text_sql("o", c) for c in keys] or list(self._walk.texts)

    async def count(self) -> int:
        """How many rows the target holds."""
        rows = 0
        async for stretch in stretches(self._database, self._walk, self._rows_expected):
            self._heed_stop()
            answer = await self._database.execute([self._counting(stretch)])
            rows += answer.results[0].number
        return rows

    async def references(self) -> list[Broken]:
        """For each foreign key the rows whose parent isn't there."""
        return await self._all(self._of_references())

    def _of_references(self) -> list[_Rule]:
        return [_orphans(key) for key in self._plan.foreign_keys]

    async def json(self) -> list[Broken]:
        """For each column of JSON the rows whose text D1 can't parse."""
        return await self._all(self._of_json())

    def _of_json(self) -> list[_Rule]:
        return [
            _Rule(
                column.source,
                f"{_held(column.target)} IS NOT NULL AND NOT json_valid({_held(column.target)})",
                MOST_UNPARSED,
            )
            for column in self._plan.columns
            if not column.made and _is_json(self._plan, column.source)
        ]

    def at_once(self) -> list[Statement]:
        """What is asked of a small table, so that many of these share a request."""
        if self._rows_expected >= COUNTED_ROWS:
            return []
        all_of_it = Stretch(None, None)
        asked = [self._counting(all_of_it)]
        for rule in (*self._of_references(), *self._of_json()):
            asked += self._breaking(rule, all_of_it)
        return asked

    def _counting(self, stretch: Stretch) -> Statement:
        where = self._walk.where(stretch.after, stretch.upto)
        return Statement.of(f"SELECT count(*) FROM {self._walk.rows}{where}", *stretch.parameters)

    def _breaking(self, rule: _Rule, stretch: Stretch) -> list[Statement]:
        """How many rows break a rule, and the keys of the first."""
        rows = (
            f"FROM {self._walk.rows}{self._walk.where(stretch.after, stretch.upto, rule.condition)}"
        )
        named = f"SELECT {', '.join(self._texts)} {rows} LIMIT {rule.most_keys}"
        return [
            Statement.of(sql, *stretch.parameters) for sql in (f"SELECT count(*) {rows}", named)
        ]

    async def duplicates(self, columns: Sequence[str], name: str) -> Broken:
        """Rows that have the same in `columns` (target names) as others, NULLs left aside."""
        held = [_held(column) for column in columns]
        whole_ones = " AND ".join(f"{column} IS NOT NULL" for column in held)
        texts = ", ".join(f"min({text})" for text in self._texts)
        groups = f"FROM {self._walk.rows} WHERE {whole_ones} GROUP BY {', '.join(held)} HAVING count(*) > 1"
        answer = await self._database.execute(
            [
                Statement.of(f"SELECT coalesce(sum(n), 0) FROM (SELECT count(*) AS n {groups})"),
                Statement.of(f"SELECT {texts} {groups} LIMIT {MOST_KEYS}"),
            ]
        )
        return Broken(name, answer.results[0].number, tuple(map(_key, answer.results[1].rows)))

    async def _all(self, rules: Sequence[_Rule]) -> list[Broken]:
        if not rules:
            return []
        rows = [0] * len(rules)
        keys: list[list[Key]] = [[] for _ in rules]
        async for stretch in stretches(self._database, self._walk, self._rows_expected):
            self._heed_stop()
            for at, rule in enumerate(rules):
                answer = await self._database.execute(self._breaking(rule, stretch))
                rows[at] += answer.results[0].number
                keys[at] += map(_key, answer.results[1].rows)
        return [
            Broken(rule.name, rows[at], tuple(keys[at][: rule.most_keys]))
            for at, rule in enumerate(rules)
        ]


def _key(row: Sequence[object]) -> Key:
    return tuple("" if cell is None else str(cell) for cell in row)


def _held(column: str) -> str:
    return f"o.{quote_identifier(column)}"


def _orphans(key: ForeignKeyPlan) -> _Rule:
    set_ones = " AND ".join(f"{_held(column)} IS NOT NULL" for column in key.columns)
    # The parent first: its collation counts, as it does for D1.
    same = " AND ".join(
        f"p.{quote_identifier(theirs)} = {_held(ours)}"
        for ours, theirs in zip(key.columns, key.parent_columns, strict=True)
    )
    parent = f"SELECT 1 FROM {quote_identifier(key.parent)} AS p WHERE {same}"
    return _Rule(key.source_name, f"{set_ones} AND NOT EXISTS ({parent})")


def _is_json(plan: TablePlan, column: str) -> bool:
    kind = plan.table.column(column).type.base
    builtin = kind.kind is TypeKind.BASE and kind.schema == "pg_catalog"
    return builtin and kind.name in {"json", "jsonb"}


class Together:
    """A database that is asked many questions in few requests; each answer serves once."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._known: dict[Statement, Result] = {}

    async def ask(self, tables: Sequence[Sequence[Statement]], rows: Sequence[int]) -> None:
        """Ask what is to be asked of tables with about so many `rows` each."""
        waiting: list[Statement] = []
        weight = 0
        for statements, table_rows in zip(tables, rows, strict=True):
            more = len(statements) * table_rows
            if waiting and (
                len(waiting) + len(statements) > limits.BATCH_STATEMENTS
                or weight + more > COUNTED_ROWS
            ):
                await self._ask(waiting)
                waiting, weight = [], 0
            waiting += statements
            weight += more
        if waiting:
            await self._ask(waiting)

    async def _ask(self, statements: Sequence[Statement]) -> None:
        if len(statements) > limits.BATCH_STATEMENTS:
            return  # they are asked one by one
        answer = await self._database.execute(statements)
        self._known.update(zip(statements, answer.results, strict=True))

    async def execute(self, statements: Sequence[Statement]) -> Answer:
        """The answers known already, or else those of a request."""
        if all(statement in self._known for statement in statements):
            return Answer(tuple(self._known.pop(statement) for statement in statements))
        return await self._database.execute(statements)
