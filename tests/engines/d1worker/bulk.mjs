// Import and export. workerd does both at once: there is nothing to poll for.
import { ApiError, ok } from "./answers.mjs";
import { splitSql } from "./statements.mjs";

const uploads = new Map();

/** The object storage behind the signed URLs. */
export async function storage(request, filename) {
  if (request.method === "PUT") {
    const body = await request.arrayBuffer();
    const digest = new Uint8Array(await crypto.subtle.digest("MD5", body));
    const etag = Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
    uploads.set(filename, body);
    return new Response("", { headers: { etag: `"${etag}"` } });
  }
  const body = uploads.get(filename);
  return body === undefined ? new Response("", { status: 404 }) : new Response(body);
}

export async function importSql(body, database, origin, run) {
  if (body.action === "init") {
    const filename = `${database.uuid}.${body.etag}.sql`;
    const upload_url = `${origin}/__r2/${filename}`;
    return ok({ success: true, type: "import", status: "active", filename, upload_url, messages: [], errors: [] });
  }
  if (body.action !== "ingest") {
    return ok({ success: false, error: "Not currently importing anything.", errors: [], messages: [] });
  }
  const upload = uploads.get(body.filename);
  if (upload === undefined) {
    return ok({ success: false, error: "Import file not found", errors: ["Import file not found"], messages: [] });
  }
  const common = { success: true, type: "import", at_bookmark: "local", messages: [], errors: [] };
  try {
    const statements = splitSql(new TextDecoder().decode(upload)).map((sql) => ({ sql, params: [] }));
    const results = await run(statements);
    const sum = (name) => results.reduce((total, { meta }) => total + meta[name], 0);
    const meta = { ...results.at(-1)?.meta };
    for (const name of ["duration", "changes", "rows_read", "rows_written"]) meta[name] = sum(name);
    const result = { num_queries: statements.length, final_bookmark: "local", meta };
    return ok({ ...common, status: "complete", result });
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    return ok({ ...common, status: "error", error: error.message, errors: [error.message] });
  }
}

export async function exportSql(options, database, origin, run) {
  const filename = `${database.uuid}.export.sql`;
  uploads.set(filename, new TextEncoder().encode(await dump(options ?? {}, run)));
  const result = { filename, signed_url: `${origin}/__r2/${filename}` };
  return ok({ success: true, type: "export", at_bookmark: "local", status: "complete", messages: [], result });
}

const name = (text) => `"${text.replaceAll('"', '""')}"`;
const text = (value) => `'${value.replaceAll("'", "''")}'`;

async function dump({ no_schema: noSchema, no_data: noData, tables }, run) {
  const rows = async (sql) => (await run([{ sql, params: [] }]))[0].rows;
  const lines = ["PRAGMA defer_foreign_keys=TRUE;"];
  const objects = await rows(`SELECT name, type, sql FROM sqlite_schema WHERE sql NOT NULL
    AND name NOT LIKE '\\_cf\\_%' ESCAPE '\\' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'
    ORDER BY type = 'table' DESC, rowid`);
  for (const [object, type, sql] of objects) {
    if (tables?.length && !tables.includes(object)) continue;
    if (!noSchema) lines.push(`${sql};`);
    if (noData || type !== "table") continue;
    const columns = (await rows(`SELECT name FROM pragma_table_info(${text(object)})`)).map(([c]) => name(c));
    const values = await rows(`SELECT ${columns.map((c) => `quote(${c})`)} FROM ${name(object)}`);
    for (const row of values) lines.push(`INSERT INTO ${name(object)} (${columns}) VALUES(${row});`);
  }
  return lines.join("\n");
}
