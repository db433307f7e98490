"use strict";
const EVERY_MS = 2000;
const MOST_TABLES = 200;
const at = (id) => document.getElementById(id);
const count = (n) => Math.round(n).toLocaleString("en");

function size(bytes) {
  for (const unit of ["B", "kB", "MB"]) {
    if (bytes < 999.5) return `${bytes < 99.5 && unit !== "B" ? bytes.toFixed(1) : Math.round(bytes)} ${unit}`;
    bytes /= 1000;
  }
  return `${bytes.toFixed(1)} GB`;
}

function duration(seconds) {
  const s = Math.max(0, Math.round(seconds));
  if (s < 60) return `${s}s`;
  if (s < 3600) return `${Math.floor(s / 60)}m ${String(s % 60).padStart(2, "0")}s`;
  return `${Math.floor(s / 3600)}h ${String(Math.floor((s % 3600) / 60)).padStart(2, "0")}m`;
}

function element(name, text, className) {
  const made = document.createElement(name);
  made.textContent = text;
  if (className) made.className = className;
  return made;
}

function share(part, whole) {
  return whole > 0 ? Math.min(100, (100 * part) / whole) : 0;
}

function drawFigures(run) {
  at("phase").textContent = run.phase;
  const known = run.rows_expected !== null;
  const percent = known ? share(run.rows, run.rows_expected) : 0;
  document.title = `${known ? `${Math.floor(percent)} %` : `${count(run.rows)} rows`} · ${run.phase} · Streamer`;
  const waiting = run.waiting_s > 0 ? ` · waiting ${duration(run.waiting_s)}: ${run.waiting_for}` : "";
  const warnings = run.warnings ? ` · ${count(run.warnings)} warning${run.warnings === 1 ? "" : "s"}` : "";
  at("summary").textContent =
    `${count(run.rows)} ${known ? `of about ${count(run.rows_expected)} ` : ""}rows in ${duration(run.seconds)}${warnings}${waiting}`;
  at("summary").className = run.waiting_s > 0 ? "gone" : "";
  at("total").hidden = !known;
  at("total").setAttribute("aria-valuenow", percent.toFixed(0));
  at("total").firstElementChild.style.width = `${percent}%`;
  at("speed").textContent = count(run.rows_per_s);
  at("bytes").textContent = size(run.bytes_per_s);
  at("eta").textContent = run.eta_s === null ? "?" : duration(run.eta_s);
  at("window").textContent = count(run.window ? run.window.used : run.requests);
  at("window-label").textContent = run.window
    ? `of ${count(run.window.requests)} requests in ${duration(run.window.seconds)}`
    : "requests";
  at("concurrency").textContent = count(run.concurrency);
  at("retries").textContent = count(run.retries);
}

function drawChart(speeds) {
  const top = Math.max(1, ...speeds.map((point) => point.rows_per_s));
  const first = speeds.length ? speeds[0].at_s : 0;
  const last = speeds.length ? speeds[speeds.length - 1].at_s : 0;
  const x = (point) => (last > first ? (600 * (point.at_s - first)) / (last - first) : 0);
  const points = speeds.map((point) => `${x(point).toFixed(1)},${(118 - (114 * point.rows_per_s) / top).toFixed(1)}`);
  at("chart").firstElementChild.setAttribute(
    "points", points.length > 1 ? `0,120 ${points.join(" ")} 600,120` : "");
  at("chart-from").textContent = speeds.length ? duration(first) : "";
  at("chart-top").textContent = speeds.length ? `highest ${count(top)} rows/s` : "";
  at("chart-to").textContent = speeds.length ? duration(last) : "";
}

function drawTables(tables) {
  const order = { moving: 0, waiting: 1, done: 2 };
  const sorted = [...tables].sort((a, b) => order[a.state] - order[b.state]);
  const rows = sorted.slice(0, MOST_TABLES).map((table) => {
    const row = element("tr", "", table.state);
    const known = table.rows_expected !== null;
    row.append(
      element("td", table.name),
      element("td", table.state),
      element("td", count(table.rows)),
      element("td", table.state === "done" ? "100 %" : known ? `${Math.floor(share(table.rows, table.rows_expected))} %` : "?"),
    );
    return row;
  });
  if (tables.length > MOST_TABLES) {
    const row = element("tr", "", "waiting");
    const cell = element("td", `and ${count(tables.length - MOST_TABLES)} more`);
    cell.colSpan = 4;
    row.append(cell);
    rows.push(row);
  }
  at("tables").replaceChildren(...rows);
}

function drawLatest(lines) {
  const items = [...lines].reverse().map(({ at_s, line }) => {
    const item = element("li", "");
    item.append(element("time", duration(at_s)), line);
    return item;
  });
  at("latest").replaceChildren(...items);
}

async function look() {
  try {
    const answer = await fetch("status.json", { cache: "no-store" });
    const run = await answer.json();
    drawFigures(run);
    drawChart(run.speeds);
    drawTables(run.tables);
    drawLatest(run.latest);
  } catch {
    at("summary").textContent = "The run has ended, or can't be reached; its report tells how it went.";
    at("summary").className = "gone";
  }
  setTimeout(look, EVERY_MS);
}

look();
