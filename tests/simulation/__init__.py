"""Whole runs on a virtual clock, with seeded faults and kills, against models of both ends.

Everything of `streamer` and `checkpoints` that a run goes through is the product's own: the reader
with its windows and snapshots, packing, queue, uploaders, pacer, retries, watermark, checkpoint file.
What is modelled is what lies beyond: PostgreSQL below asyncpg's connection, D1 below HTTP.

clock       an event loop whose time is the sum of its waits; one step at a time, stopped anywhere
rows        PostgreSQL's tables: row versions, snapshots, physical positions
queries     the SELECTs that readers make, evaluated over these rows
sessions    asyncpg's connection to that server: it dies, hangs, has no place left
target      D1: a real SQLite with its limits; blocks, overloads, loses answers, executes late
checkpoint  the checkpoint file, written without threads
shapes      tables of every kind, and rows for them
changes     what somebody else does to these rows meanwhile
before      what the target holds before the run: rows of others, tables that refuse some
settings    what one history is like, drawn from its seed
process     one start of `streamer run`, on all of these
history     starts, kills and resumes until it is done
oracle      what must hold after a crash, and at the end

test_changes     what somebody else does keeps every constraint
test_histories   hundreds of them
test_anomalies   the n-th call to the outside goes wrong, for every n
test_faults      single faults, for as long as they last
test_refusals    every refusal that D1 is known to make

`python -m tests.simulation --seed N --histories M` plays histories and replays one exactly.
"""
