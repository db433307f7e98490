"""Single changes of what a target holds, and what a comparison must say of each: that, and no more."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Corruption:
    """SQL that changes one row of `table`, called `t` in it; how the row then differs."""

    table: str
    sql: str
    kind: str
    key: str
    column: str = ""

    @property
    def in_place(self) -> str:
        """The SQL over the table's own name."""
        for word in ("UPDATE", "FROM", "INTO"):
            if f"{word} t " in self.sql:
                return self.sql.replace(f"{word} t ", f"{word} {self.table} ")
        raise AssertionError(self.sql)


CORRUPTIONS = [
    Corruption(
        "t_ints",
        "UPDATE t SET c = 9007199254740992 WHERE id = 8",
        "different",
        "8",
        "c",
    ),
    Corruption(
        "t_bigpk",
        "DELETE FROM t WHERE id = 9007199254740993",
        "missing",
        "9007199254740993",
    ),
    Corruption(
        "t_numeric",
        "UPDATE t SET n = '12345678901234568' WHERE id = 11",
        "different",
        "11",
        "n",
    ),
    Corruption(
        "t_numeric",
        "UPDATE t SET n102 = NULL WHERE id = 3",
        "different",
        "3",
        "n102",
    ),
    Corruption(
        "t_floats",
        "UPDATE t SET f8 = NULL WHERE id = 2",
        "different",
        "2",
        "f8",
    ),
    Corruption(
        "t_floats",
        "UPDATE t SET f8 = f8 * 1.0000000000000002 WHERE id = 10",
        "different",
        "10",
        "f8",
    ),
    Corruption(
        "t_bool",
        "UPDATE t SET b = NULL WHERE id = 2",
        "different",
        "2",
        "b",
    ),
    Corruption(
        "t_text",
        "UPDATE t SET t = 7 WHERE id = 23",
        "different",
        "23",
        "t",
    ),
    Corruption(
        "t_text",
        "UPDATE t SET t = '' WHERE id = 31",
        "different",
        "31",
        "t",
    ),
    Corruption(
        "t_text",
        "UPDATE t SET t = char(233) WHERE id = 13",
        "different",
        "13",
        "t",
    ),
    Corruption(
        "t_bytea",
        "UPDATE t SET b = CAST(b AS TEXT) WHERE id = 5",
        "different",
        "5",
        "b",
    ),
    Corruption(
        "t_large",
        "UPDATE t SET body = substr(body, 2) WHERE id = 7",
        "different",
        "7",
        "body",
    ),
    Corruption(
        "t_date",
        "UPDATE t SET d = '9999-12-31' WHERE id = 9",
        "different",
        "9",
        "d",
    ),
    Corruption(
        "t_ts",
        "UPDATE t SET ts = substr(ts, 1, 19) WHERE id = 2",
        "different",
        "2",
        "ts",
    ),
    Corruption(
        "t_ts",
        "UPDATE t SET tz = '2024-01-15 10:30:45.5' WHERE id = 3",
        "different",
        "3",
        "tz",
    ),
    Corruption(
        "t_interval",
        "UPDATE t SET i = 'P30D' WHERE id = 1",
        "different",
        "1",
        "i",
    ),
    Corruption(
        "t_json",
        "UPDATE t SET j = NULL WHERE id = 2",
        "different",
        "2",
        "j",
    ),
    Corruption(
        "t_json",
        "UPDATE t SET j = json(j) WHERE id = 1",
        "different",
        "1",
        "j",
    ),
    Corruption(
        "t_json",
        "UPDATE t SET jb = '9007199254740992' WHERE id = 7",
        "different",
        "7",
        "jb",
    ),
    Corruption(
        "t_net",
        "UPDATE t SET i = i || '/32' WHERE id = 1",
        "different",
        "1",
        "i",
    ),
    Corruption(
        "k_nopk",
        "DELETE FROM t WHERE rowid = (SELECT min(rowid) FROM t WHERE b = 'dup')",
        "missing",
        "2",
    ),
    Corruption(
        "i_parent",
        "INSERT INTO t VALUES (2, 'child')",
        "extra",
        "2",
    ),
    Corruption(
        "m_events",
        "UPDATE t SET ratio = ratio + 1e-9 WHERE id = 9007199254740777",
        "different",
        "9007199254740777",
        "ratio",
    ),
    # Altered in its type alone, a digit beyond what doubles hold, a text that looks like a number.
    Corruption("t_text", "UPDATE t SET t = CAST(t AS BLOB) WHERE id = 2", "different", "2", "t"),
    Corruption("t_text", "UPDATE t SET t = t || char(0) WHERE id = 1", "different", "1", "t"),
]
