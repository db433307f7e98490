// The tests' hook: what to answer instead, and how much was asked.
//
// POST /__faults takes a list of
//   {match, contains, skip, times, status, code, message, headers, body, after, delay_ms, abort}
// The first entry whose `match` is part of the path and whose `contains` is part of the request's
// body is used, after being passed over `skip` times, `times` times (default 1).
import { failure } from "./answers.mjs";

let faults = [];
let stats = fresh();
let inFlight = 0;

function fresh() {
  return { requests: 0, by: {}, in_flight_max: 0, request_bytes: 0 };
}

export async function control(request, path) {
  if (path === "/__faults") {
    if (request.method === "POST") faults = await request.json();
    if (request.method === "DELETE") faults = [];
    return faults;
  }
  const before = structuredClone(stats);
  if (request.method === "DELETE") stats = fresh();
  return before;
}

export function arrived(method, path, text) {
  const key = `${method} ${path.split("/").at(-1)}`;
  stats.requests += 1;
  stats.by[key] = (stats.by[key] ?? 0) + 1;
  stats.request_bytes += text.length;
  inFlight += 1;
  stats.in_flight_max = Math.max(stats.in_flight_max, inFlight);
}

export function left() {
  inFlight -= 1;
}

/** The fault to play for this request, used up by one, or undefined. */
export function take(path, text) {
  for (const fault of faults) {
    if (!path.includes(fault.match ?? "") || !text.includes(fault.contains ?? "")) continue;
    if ((fault.times ?? 1) <= 0) continue;
    if ((fault.skip ?? 0) > 0) {
      fault.skip -= 1;
      continue;
    }
    fault.times = (fault.times ?? 1) - 1;
    return fault;
  }
  return undefined;
}

/** What the client sees of a fault; `abort` breaks the connection inside the answer. */
export function play(fault) {
  if (fault.abort) {
    const { readable, writable } = new FixedLengthStream(1_000_000);
    const writer = writable.getWriter();
    writer.write(new TextEncoder().encode("{")).then(() => writer.abort(), () => {});
    return new Response(readable, { headers: { "content-type": "application/json" } });
  }
  const headers = fault.headers ?? {};
  if (fault.body !== undefined) return new Response(fault.body, { status: fault.status, headers });
  const message = fault.message ?? "an injected fault";
  return failure(fault.status, fault.code ?? 7500, message, headers);
}
