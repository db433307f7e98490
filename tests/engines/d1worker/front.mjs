// Cloudflare's REST paths in front of the Durable Objects. `/__…` is for the tests only.
import { ApiError, failure, json, ok } from "./answers.mjs";
import { exportSql, importSql, storage } from "./bulk.mjs";
import { arrived, control, left, play, take } from "./faults.mjs";
import { toStatements } from "./statements.mjs";

export { D1DatabaseObject, Registry } from "./d1object.mjs";

const DATABASES = /^\/client\/v4\/accounts\/[A-Za-z0-9_-]{1,64}\/d1\/database(?:\/([^/]+)(?:\/([\w/]+))?)?$/;

export default {
  async fetch(request, env) {
    const url = new URL(request.url);
    const path = url.pathname;
    if (path.startsWith("/__r2/")) return storage(request, path.slice(6));
    if (path.startsWith("/__")) return json(await control(request, path));

    const text = await request.text();
    arrived(request.method, path, text);
    try {
      return await withFaults(path, text, () => answer(request, text, env, url));
    } finally {
      left();
    }
  },
};

async function withFaults(path, text, respond) {
  const fault = take(path, text);
  if (fault === undefined) return respond();
  if (fault.delay_ms) await new Promise((resolve) => setTimeout(resolve, fault.delay_ms));
  const plays = fault.abort || fault.status !== undefined;
  if (plays && !fault.after) return play(fault);
  const response = await respond();
  return plays ? play(fault) : response;
}

async function answer(request, text, env, url) {
  try {
    return await route(request, text, env, url);
  } catch (error) {
    if (error instanceof SyntaxError) return failure(400, 7400, `The request is malformed: ${error.message}`);
    if (error instanceof ApiError) return failure(error.status, error.code, error.message);
    return failure(500, 7500, error.message);
  }
}

async function route(request, text, env, url) {
  const authorization = request.headers.get("authorization");
  if (env.TOKEN && authorization === null) throw new ApiError(400, 9106, "Authentication failed");
  if (env.TOKEN && authorization !== `Bearer ${env.TOKEN}`) throw new ApiError(403, 10000, "Authentication error");

  if (url.pathname === "/client/v4/user/tokens/verify") return ok({ id: "local", status: "active" });
  const match = url.pathname.match(DATABASES);
  if (match === null) throw noRoute(url.pathname);
  const registry = env.REGISTRY.get(env.REGISTRY.idFromName("registry"));
  const [, uuid, action] = match;
  if (uuid === undefined) {
    return request.method === "POST" ? create(JSON.parse(text), registry) : list(url.searchParams, registry);
  }

  const database = await registry.find(uuid);
  if (database === null) throw new ApiError(404, 7404, `The database ${uuid} could not be found`);
  const object = env.DATABASES.get(env.DATABASES.idFromName(uuid));
  const run = (statements) => execute(object, statements);
  if (action === undefined && request.method === "DELETE") {
    await object.destroy();
    await registry.remove(uuid);
    return ok(null);
  }
  if (action === undefined) return ok({ ...describe(database), ...(await figures(run)) });
  if (request.method !== "POST") throw noRoute(url.pathname);
  return act(action, JSON.parse(text), database, url.origin, run);
}

async function act(action, body, database, origin, run) {
  switch (action) {
    case "query":
      return ok((await run(toStatements(body))).map(asObjects));
    case "raw":
      return ok((await run(toStatements(body))).map(asArrays));
    case "import":
      return importSql(body, database, origin, run);
    case "export":
      return exportSql(body.dump_options, database, origin, run);
    default:
      throw noRoute(action); // time travel, for one: workerd keeps no history
  }
}

function noRoute(path) {
  return new ApiError(404, 7003, `Could not route to ${path}, perhaps your object identifier is invalid?`);
}

async function execute(object, statements) {
  let outcome;
  try {
    outcome = await object.run(statements);
  } catch (error) {
    throw new ApiError(400, 7500, error.message);
  }
  if (outcome.error !== undefined) throw new ApiError(400, 7500, outcome.error);
  return outcome.results;
}

const asArrays = ({ columns, rows, meta }) => ({ results: { columns, rows }, success: true, meta });

function asObjects({ columns, rows, meta }) {
  const results = rows.map((row) => Object.fromEntries(columns.map((column, n) => [column, row[n]])));
  return { results, success: true, meta };
}

function describe({ uuid, name, created_at }) {
  return { uuid, name, version: "production", created_at, running_in_region: "LOCAL" };
}

async function figures(run) {
  const sql = `SELECT count(*) FROM sqlite_schema WHERE type = 'table'
    AND name NOT LIKE '\\_cf\\_%' ESCAPE '\\' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'`;
  const [{ rows, meta }] = await run([{ sql, params: [] }]);
  return { num_tables: rows[0][0], file_size: meta.size_after, read_replication: { mode: "disabled" } };
}

async function create({ name }, registry) {
  if (typeof name !== "string" || name === "") throw new ApiError(400, 7400, "The request is malformed: name is required");
  const database = await registry.add(crypto.randomUUID(), name);
  if (database === null) throw new ApiError(400, 7502, "A database with that name already exists");
  return ok({ ...describe(database), num_tables: 0, file_size: 0 });
}

async function list(query, registry) {
  const page = Number(query.get("page") ?? 1);
  const perPage = Number(query.get("per_page") ?? 100);
  const found = (await registry.list()).filter(({ name }) => name.includes(query.get("name") ?? ""));
  const part = found.slice((page - 1) * perPage, page * perPage);
  const result_info = { page, per_page: perPage, count: part.length, total_count: found.length };
  return ok(part.map(describe), { result_info });
}
