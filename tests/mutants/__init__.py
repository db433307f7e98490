"""The tests are tested: each safeguard is broken on purpose, and something must notice.

breaks      what a break is: a safeguard, how it is broken, and who should notice
moving      what moves: positions, order, pace; the simulation first, unit tests where it can't
lines       single lines of the table of faults in docs/guarantees.md
api         between the command and D1: the network, who answers, what is refused
source      between the command and PostgreSQL: lost, silent, in a hurry, full, changed
resumes     how a run ends and goes on: stops, bad rows, full disks, what changed in between
keyless     tables without a key
marks       what a run leaves in its target: its fence, and what a lost checkpoint is made of
every       all of them
__main__    breaks one after another in a copy of the tree: `make mutants`
"""
