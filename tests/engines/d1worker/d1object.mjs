// A database is a Durable Object with SQLite storage; a request is one transactionSync().
import { DurableObject } from "cloudflare:workers";

function toJson(value) {
  return value instanceof ArrayBuffer ? Array.from(new Uint8Array(value)) : value;
}

export class D1DatabaseObject extends DurableObject {
  constructor(ctx, env) {
    super(ctx, env);
    // The hosted service has its key-value table (_cf_KV) in every database: so has this one.
    ctx.blockConcurrencyWhile(() => ctx.storage.put("d1", 1));
  }

  /** Run all statements or none: `{results}` or `{error}`. */
  run(statements) {
    try {
      const all = () => statements.map((statement) => this.#one(statement));
      return { results: this.ctx.storage.transactionSync(all) };
    } catch (error) {
      return { error: error?.message ?? String(error) };
    }
  }

  async destroy() {
    await this.ctx.storage.deleteAll();
  }

  #one({ sql, params }) {
    const storage = this.ctx.storage.sql;
    const started = performance.now();
    const before = { ...this.#counters(), size: storage.databaseSize };
    const cursor = storage.exec(sql, ...params);
    const columns = cursor.columnNames;
    const rows = Array.from(cursor.raw(), (row) => row.map(toJson));
    const after = { ...this.#counters(), size: storage.databaseSize };
    const duration = performance.now() - started;
    const meta = {
      served_by: "workerd",
      served_by_region: "LOCAL",
      served_by_primary: true,
      timings: { sql_duration_ms: duration },
      duration,
      changes: after.changes - before.changes,
      last_row_id: after.rowid,
      changed_db:
        after.changes !== before.changes ||
        after.rowid !== before.rowid ||
        after.size !== before.size,
      size_after: after.size,
      rows_read: cursor.rowsRead,
      rows_written: cursor.rowsWritten,
      total_attempts: 1,
    };
    return { columns, rows, meta };
  }

  #counters() {
    const sql = "SELECT total_changes() AS changes, last_insert_rowid() AS rowid";
    return this.ctx.storage.sql.exec(sql).one();
  }
}

/** Which databases exist. */
export class Registry extends DurableObject {
  constructor(ctx, env) {
    super(ctx, env);
    this.sql = ctx.storage.sql;
    this.sql.exec(`CREATE TABLE IF NOT EXISTS databases (
      uuid TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE, created_at TEXT NOT NULL)`);
  }

  list() {
    return this.sql.exec("SELECT * FROM databases ORDER BY created_at, rowid").toArray();
  }

  find(uuid) {
    return this.sql.exec("SELECT * FROM databases WHERE uuid = ?", uuid).toArray()[0] ?? null;
  }

  /** The new row, or null where the name is taken. */
  add(uuid, name) {
    const taken = this.sql.exec("SELECT 1 FROM databases WHERE name = ?", name).toArray();
    if (taken.length > 0) return null;
    this.sql.exec("INSERT INTO databases VALUES (?, ?, ?)", uuid, name, new Date().toISOString());
    return this.find(uuid);
  }

  remove(uuid) {
    this.sql.exec("DELETE FROM databases WHERE uuid = ?", uuid);
  }
}
