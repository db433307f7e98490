// A request body becomes the list of statements that one transaction runs.
import { ApiError } from "./answers.mjs";

const VALUE_BYTES = 2_000_000; // the hosted service's limit; workerd itself takes more
const encoder = new TextEncoder();

// Strings and quoted names (a doubled quote is simply two of them), comments, `;` and words.
const TOKEN =
  /'[^']*(?:'|$)|"[^"]*(?:"|$)|`[^`]*(?:`|$)|\[[^\]]*(?:\]|$)|--[^\n]*|\/\*[^]*?(?:\*\/|$)|;|[A-Za-z0-9_$\u0080-\uffff]+/g;

/** Cut a text at its `;`, leaving those in strings, comments and trigger bodies alone. */
export function splitSql(sql) {
  const statements = [];
  let start = 0;
  let words = [];
  let depth = 0; // open BEGIN and CASE of a trigger's body
  let empty = true;
  const finish = (end) => {
    if (!empty) statements.push(sql.slice(start, end).trim());
  };
  for (const { 0: token, index } of sql.matchAll(TOKEN)) {
    if (token === ";") {
      if (depth > 0) continue;
      finish(index);
      [start, words, empty] = [index + 1, [], true];
      continue;
    }
    if (token.startsWith("--") || token.startsWith("/*")) continue;
    empty = false;
    const word = token.length <= 9 ? token.toUpperCase() : "";
    if (words.length < 4) words.push(word);
    if (words[0] === "CREATE" && words.includes("TRIGGER")) {
      if (word === "BEGIN" || word === "CASE") depth += 1;
      if (word === "END") depth -= 1;
    }
  }
  finish(sql.length);
  return statements;
}

function tooBig() {
  return new ApiError(400, 7500, "string or blob too big: SQLITE_TOOBIG");
}

function bind(value) {
  if (value === null || typeof value === "number") return value;
  if (typeof value === "boolean") return String(value); // as seen on the hosted service
  if (typeof value === "string") {
    const mayBeTooBig = value.length * 3 > VALUE_BYTES;
    if (mayBeTooBig && encoder.encode(value).length > VALUE_BYTES) throw tooBig();
    return value;
  }
  const isBytes = Array.isArray(value) && value.every((b) => Number.isInteger(b) && b >= 0 && b < 256);
  if (!isBytes) throw malformed(`params: unsupported value of type ${typeof value}`);
  if (value.length > VALUE_BYTES) throw tooBig();
  return new Uint8Array(value).buffer;
}

function malformed(why) {
  return new ApiError(400, 7400, `The request is malformed: ${why}`);
}

function fromOne(query) {
  if (typeof query?.sql !== "string") throw malformed("sql is required");
  if (query.params !== undefined && query.params !== null && !Array.isArray(query.params)) {
    throw malformed("params must be an array");
  }
  const params = (query.params ?? []).map(bind);
  const statements = splitSql(query.sql);
  if (params.length > 0 && statements.length > 1) {
    throw malformed("a statement with params must stand alone");
  }
  return statements.map((sql) => ({ sql, params }));
}

/** `{sql, params}` or `{batch: [{sql, params}, …]}` as a list of single statements. */
export function toStatements(body) {
  if (body === null || typeof body !== "object" || Array.isArray(body)) {
    throw malformed("the body must be an object");
  }
  if (body.batch !== undefined && !Array.isArray(body.batch)) {
    throw malformed("batch must be an array");
  }
  const statements = (body.batch ?? [body]).flatMap(fromOne);
  if (statements.length === 0) throw new ApiError(400, 7500, "No SQL statements detected.");
  return statements;
}
