-- A checkpoint, format 1. Every row ends with a CRC-32 over its other cells (records.py);
-- the seal counts and sums them, so that a row that vanished or went back is noticed.

CREATE TABLE seal (
    only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
    store_id TEXT NOT NULL,     -- random, made with the file
    saves INTEGER NOT NULL,     -- transactions since then
    row_count INTEGER NOT NULL, -- rows in run and step
    row_sum INTEGER NOT NULL,   -- the sum of their CRCs
    crc INTEGER NOT NULL
);

CREATE TABLE run (
    only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
    run_id TEXT NOT NULL,
    state TEXT NOT NULL,
    epoch INTEGER NOT NULL,
    document TEXT NOT NULL,     -- a JSON object
    crc INTEGER NOT NULL
);

CREATE TABLE step (
    step_id INTEGER PRIMARY KEY,
    table_name TEXT NOT NULL,
    kind TEXT NOT NULL,
    state TEXT NOT NULL,
    last_key TEXT,              -- a JSON array of texts; NULL: nothing acknowledged yet
    next_number INTEGER NOT NULL,
    row_count INTEGER NOT NULL,
    byte_count INTEGER NOT NULL,
    document TEXT NOT NULL,     -- a JSON object
    crc INTEGER NOT NULL
);
