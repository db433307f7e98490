"""Every number that Cloudflare publishes or that was measured on D1, with its source.

Sources: [limits] developers.cloudflare.com/d1/platform/limits, [api] developers.cloudflare.com/
fundamentals/api/reference/limits, [pricing] developers.cloudflare.com/d1/platform/pricing, all
read 2026-11-22; [local] measured on workerd 1.20261117.1.
"""

from __future__ import annotations

API_REQUESTS = 1_200  # [api] in API_WINDOW_S, for a user and all tokens together
API_WINDOW_S = 300.0  # [api] also how long a client that went over is blocked
RATE_LIMIT_REQUESTS = 1_080  # ours: API_REQUESTS less 10 % for the account's other users
REQUEST_TIMEOUT_S = 40.0  # ours: must exceed D1's own 30 s, so that no zombie outlives a retry
QUERY_SECONDS = 30.0  # [limits] a whole request
PARAMETERS = 100  # [limits] bound parameters of a statement
STATEMENT_BYTES = 100_000  # [limits] SQL text; [local] 100,000 pass, 100,001 fail
VALUE_BYTES = 2_000_000  # [limits] a string, a blob, a whole row, a parameter
COLUMNS = 100  # [limits] of a table; [local] and of a result
BATCH_STATEMENTS = 100  # product contract: statements of one request, control ones included
BATCH_BYTES_START = 2_000_000  # ours: seen in the field to work
BATCH_BYTES_MAX = 4_000_000  # ours: beyond it nobody has seen what the API takes
CHUNK_BYTES = 450_000  # ours: nothing is gained beyond [local]; buffers stay below 512 KB
READERS = 4  # ours: tables read side by side; small ones overlap, one big one is enough by itself
FETCH_BYTES = 4 * 1024 * 1024  # ours: of rows read at once, where some may be fat
FETCH_ROWS = 8_192  # ours: likewise, where none is: what isn't in TOAST is at most about 2 kB a row
MEMORY_BYTES = 24 * 1024 * 1024  # ours: read, queued, encoded and in flight, over all tables
DATABASE_BYTES = 10_000_000_000  # [limits] paid plan
USD_PER_MILLION_WRITTEN = 1.0  # [pricing] beyond INCLUDED_ROWS_WRITTEN, paid plan
INCLUDED_ROWS_WRITTEN = 50_000_000  # [pricing] a month, paid plan
FREE_ROWS_WRITTEN_A_DAY = 100_000  # [pricing] free plan
FREE_DATABASE_BYTES = 500_000_000  # [limits] free plan
ANSWER_BYTES = 64 * 1024 * 1024  # ours: more is read of none
PAGE_BYTES = 4_096  # [local] of D1's SQLite files
