"""Rows as SQL files that `wrangler d1 execute --file` takes, in the order of their names.

literals    a cell → what SQL calls it, exact to the last bit
statements  rows → statements that D1 takes, however long a row is
folder      statements → numbered files, each a transaction of its own
"""
