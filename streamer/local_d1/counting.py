"""Counts what the running statements write: total changes where they suffice, a hook where not."""

from __future__ import annotations

import re
from collections import Counter

from streamer.local_d1 import sqltext
from streamer.local_d1.engine import BindingsError, Engine, Row, RowChange, SqliteError, Value
from streamer.local_d1.written import READS, Cost, cost, schema_cost

_KEPT = 500  # statements whose cost is remembered; a run uses a handful
_READING = frozenset(["SELECT", "PRAGMA", "EXPLAIN", "VALUES"])
_WRITING = frozenset(["INSERT", "REPLACE", "UPDATE", "DELETE", "WITH"])
_FIRST_WORD = re.compile(r"\s*([A-Za-z]+)")
# An insert of literals: its rows cost the same whatever they hold.
_PLAIN_INSERT = re.compile(
    r"""\s*(?:INSERT(?:\s+OR\s+\w+)?|REPLACE)\s+INTO\s+("[^"]+"|\w+)\s*(?:\([^()]*\)\s*)?VALUES\b""",
    re.IGNORECASE,
)
_UPSERT = re.compile(r"\bON\s+CONFLICT\b|\bRETURNING\b", re.IGNORECASE)

Columns = frozenset[int]  # their positions in a table; _EXPRESSION for an expression's
_EXPRESSION = -2


class RowsWritten:
    """Measures `rows_written` of one engine's statements, one statement at a time."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._costs: dict[str, Cost] = {}
        self._seen: Counter[RowChange] = Counter()
        self._cost = READS
        self._before = 0
        self._uses_sequences = False
        self._sequences = 0

    def start(self, sql: str, params: int) -> None:
        """Call before `sql` runs with so many parameters."""
        self._cost = self._cost_of(sql, params)
        # A row of sqlite_sequence is written only where the highest id has grown.
        self._uses_sequences = self._cost.once > 0 and self._cost.insert is not None
        self._before = self._engine.changes
        self._sequences = self._highest() if self._uses_sequences else 0
        if self._cost.ambiguous:
            self._seen.clear()
            self._engine.watch_rows(self._on_row)

    def stop(self, sql: str) -> int:
        """Call after `sql` has run: the rows it wrote."""
        unused = int(self._uses_sequences and self._highest() == self._sequences)
        if self._cost.ambiguous:
            self._engine.watch_rows(None)
            counted = self._by_table() if self._cost.by_hook else self._by_kind()
            return counted - unused
        changes = self._engine.changes - self._before
        return self._cost.flat(changes) + self._index_entries(sql) - unused

    def forget(self) -> None:
        """Call where a statement failed, or the schema was changed otherwise."""
        self._engine.watch_rows(None)
        self._costs.clear()

    def _cost_of(self, sql: str, params: int) -> Cost:
        word = _FIRST_WORD.match(sql)
        kind = word[1].upper() if word else ""
        if kind in _READING:
            return READS
        if kind not in _WRITING:  # it may change the schema, which changes what rows cost
            self._costs.clear()
            return READS if kind == "DROP" else schema_cost(self._explained(sql, params))
        plain = _PLAIN_INSERT.match(sql)
        key = plain[0] if plain and not _UPSERT.search(sql) else sql
        if key not in self._costs:
            if len(self._costs) >= _KEPT:
                self._costs.clear()
            self._costs[key] = cost(self._explained(sql, params))
        return self._costs[key]

    def _explained(self, sql: str, params: int) -> list[Row]:
        try:
            return self._engine.explain(sql, params)
        except (SqliteError, BindingsError):
            return []  # what can't be explained can't be run either: that will say why

    def _on_row(self, change: RowChange) -> None:
        self._seen[change] += 1

    def _by_kind(self) -> int:
        kinds: Counter[str] = Counter()
        for change, count in self._seen.items():
            kinds[change.kind] += count
        return self._cost.counted(kinds["INSERT"], kinds["UPDATE"], kinds["DELETE"])

    def _by_table(self) -> int:
        total = self._cost.once
        for change, count in self._seen.items():
            total += count * (1 + self._entries(change))
        return total

    def _entries(self, change: RowChange) -> int:
        if change.kind == "DELETE":
            return 0
        indexes = self._indexes(change.table)
        if change.kind == "INSERT":
            return len(indexes)
        return sum(1 for index in indexes if index & change.columns or _EXPRESSION in index)

    def _indexes(self, table: str) -> list[Columns]:
        """The columns of each index that is a b-tree of its own."""
        found = self._engine.ask(
            """SELECT list.seq, info.cid FROM pragma_index_list(?1) list, pragma_index_xinfo(list.name) info
            WHERE info.key AND NOT (list.origin = 'pk' AND EXISTS(
                SELECT 1 FROM pragma_table_list(?1) WHERE schema = 'main' AND wr))""",
            (table,),
        )
        columns: dict[Value, set[int]] = {}
        for index, column in found:
            columns.setdefault(index, set()).add(column if isinstance(column, int) else _EXPRESSION)
        return [frozenset(one) for one in columns.values()]

    def _highest(self) -> Value:
        return self._engine.ask("SELECT sum(seq) FROM sqlite_sequence")[0][0]

    def _index_entries(self, sql: str) -> int:
        """How many entries a CREATE INDEX that just ran has written."""
        words = sql[:40].upper().split()
        if words[:2] != ["CREATE", "INDEX"] and words[:3] != ["CREATE", "UNIQUE", "INDEX"]:
            return 0
        if not self._cost.once:  # IF NOT EXISTS, and it did
            return 0
        last = "SELECT tbl_name, sql FROM sqlite_schema WHERE type = 'index' ORDER BY rowid DESC LIMIT 1"
        table, created = (str(value) for value in self._engine.ask(last)[0])
        quoted = '"' + table.replace('"', '""') + '"'
        found = self._engine.ask(
            f"SELECT count(*) FROM {quoted} WHERE {sqltext.index_predicate(created)}"
        )
        count = found[0][0]
        return count if isinstance(count, int) else 0
