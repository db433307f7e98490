"""The tests are tested: each safeguard is broken on purpose, and something must notice.

breaks      what is broken, and who should notice: the simulation first, unit tests where it can't
lines       the same of single lines of the table of faults in docs/guarantees.md
keyless     the same of tables without a key
marks       the same of what a run leaves in its target: its fence, and what a lost checkpoint is made of
__main__    breaks one after another in a copy of the tree: `make mutants`
"""
