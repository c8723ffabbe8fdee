// The live tail: rows as they become durable, the newest on top. It waits while somebody reads: scrolled down, with text
// selected, with the pointer over the rows, or told to. What came meanwhile is counted and shown afterwards.

import { chip, level, moment, text } from "./live-cells.js";
import { duration } from "./trace-format.js";

/** The most rows that are kept, and that wait. */
const ROWS_MAX = 5_000;
/** Above so many rows a second a sample is shown. */
const ROWS_PER_SECOND_MAX = 200;
/** How often rows are put on the page, in milliseconds. */
const EVERY_MS = 200;
/** Over so many seconds a rate is told, and a burst may be shown whole. */
const OVER_SECONDS = 5;
/** How much of a value stands in a cell, in characters. */
const CELL_CHARS_MAX = 300;

/** @typedef {Record<string, any>} Row */

/** The address of this page with a row open. @param {string} time @param {string} id */
function opening(time, id) {
  const here = new URL(location.href);
  here.searchParams.set("open", `${time}.${id}`);
  here.hash = `r-${id}`;
  return here.href;
}

/** A link. @param {string} href @param {string} words */
function link(href, words) {
  const a = document.createElement("a");
  a.href = href;
  a.textContent = words;
  return a;
}

/** The way to a row's trace, at its span. @param {Row} row */
function trace(row) {
  const at = `/traces/${encodeURIComponent(row.trace_id)}`;
  return row.span_id ? `${at}?span=${encodeURIComponent(row.span_id)}#s-${encodeURIComponent(row.span_id)}` : at;
}

/** A line that opens its row. @param {Row} row @param {string} words */
function line(row, words) {
  const a = link(opening(row.time ?? row.start, row.id), words);
  a.className = "line";
  a.dataset.open = "";
  a.dataset.row = "";
  a.setAttribute("aria-expanded", "false");
  if (row.severity_number >= 17) a.dataset.error = "";
  return a;
}

/** The body of a log on one line. @param {Row} row */
function body(row) {
  const flat = typeof row.body === "string" ? row.body : row.body === null ? "" : JSON.stringify(row.body);
  return flat.trim().split("\n", 1)[0].slice(0, CELL_CHARS_MAX) || row.event_name || "(empty body)";
}

/** An attribute as a search would find it. @param {Row} row @param {string} key */
function attribute(row, key) {
  const levels = [row.attributes, row.scope?.attributes, row.resource];
  const prefixed = [["log.", 0], ["span.", 0], ["scope.", 1], ["resource.", 2]];
  for (const [prefix, at] of prefixed) {
    const own = key.startsWith(prefix) ? levels[at]?.[key.slice(prefix.length)] : undefined;
    if (own !== undefined) return text(own);
  }
  return text(levels.find((level) => level?.[key] !== undefined)?.[key]);
}

/** What stands in a column, as nodes and a class. @type {Record<string, (row: Row) => [string, ...(Node | string)[]]>} */
const CELLS = {
  time: (row) => ["soft", moment(row.time)],
  start: (row) => ["soft", moment(row.start)],
  severity: (row) => ["", level(row)],
  service: (row) => ["clip", chip(row.service), row.service],
  message: (row) => ["message", line(row, body(row)), ...(row.trace_id ? [link(trace(row), "Trace")] : [])],
  name: (row) => ["clip", named(row)],
  kind: (row) => ["clip", row.kind],
  duration: (row) => ["n", duration(row.duration_ns)],
  status: (row) => ["clip", row.status === "error" ? `failed ${row.status_message ?? ""}` : ""],
  instance: (row) => ["clip", row.instance ?? ""],
  trace: (row) => ["clip id", row.trace_id ? link(trace(row), row.trace_id) : ""],
  span: (row) => ["clip id", row.span_id ? link(trace(row), row.span_id) : ""],
  event: (row) => ["clip", row.event_name ?? ""],
  scope: (row) => ["clip", row.scope?.name ?? ""],
  template: () => ["clip", ""],
};

function named(row) {
  const a = link(trace(row), "");
  a.dataset.row = "";
  if (row.status === "error") a.dataset.error = "";
  const service = document.createElement("span");
  service.className = "service";
  service.textContent = row.service;
  a.append(chip(row.service), service, ` ${row.name}`);
  return a;
}

class Tail {
  /** @param {HTMLButtonElement} button */
  constructor(button) {
    this.button = button;
    this.signal = button.dataset.live;
    this.found = document.querySelector(".found");
    button.addEventListener("click", () => (this.source === undefined ? this.open(true) : this.close(true)));
    document.addEventListener("keydown", (event) => {
      const isTyping = event.target.closest("input, textarea, select") !== null;
      if (event.key !== "f" || isTyping || event.ctrlKey || event.metaKey || event.altKey || !this.source) return;
      this.told = !this.told;
      this.say();
    });
    addEventListener("pagehide", () => this.source?.close());
  }

  /** Opens the tail; asked for by the reader, the address says so. */
  open(isAsked) {
    this.rows = 0;
    this.waiting = [];
    this.left = 0;
    this.slice = [];
    /** Rows that came in each of the last seconds, the newest first. */
    this.came = [0];
    this.since = performance.now();
    /** How many rows may be shown at once now. */
    this.room = ROWS_PER_SECOND_MAX * OVER_SECONDS;
    this.build();
    const q = new URL(location.href).searchParams.get("q") ?? "";
    this.address = `/api/tail?${new URLSearchParams({ q, signal: this.signal })}`;
    this.source = new EventSource(this.address);
    this.source.addEventListener(this.signal === "logs" ? "log" : "span", (event) => this.take(JSON.parse(event.data)));
    this.source.addEventListener("dropped", (event) => this.drop(JSON.parse(event.data)));
    this.source.addEventListener("open", () => this.say("Live"));
    this.source.addEventListener("error", () => this.fail());
    this.timer = setInterval(() => this.flush(), EVERY_MS);
    this.button.setAttribute("aria-pressed", "true");
    if (isAsked) history.replaceState(history.state, "", "#live");
    this.say("Connecting");
  }

  /** The panel, with the columns of the table that it stands for. */
  build() {
    this.hidden = [...this.found.querySelectorAll(":scope > .panel, :scope > .notice, :scope > .paging")];
    this.hidden.forEach((part) => (part.hidden = true));
    const table = document.createElement("table");
    table.className = `list found-rows ${this.signal}`;
    const caption = table.createCaption();
    caption.className = "vh";
    caption.textContent = "Rows as they arrive, newest first";
    const shown = document.querySelector("table.found-rows");
    const usual = this.signal === "logs" ? ["time", "severity", "service", "message"] : ["start", "name", "kind", "duration", "status"];
    const heads = [...(shown?.tHead.rows[0].cells ?? [])].filter((head) => head.dataset.key !== undefined);
    this.keys = heads.length > 0 ? heads.map((head) => head.dataset.key) : usual;
    const cols = document.createElement("colgroup");
    const widths = { time: 178, start: 178, severity: 66, service: 132, kind: 90, duration: 96, status: 240 };
    this.keys.forEach((key, at) => {
      const col = document.createElement("col");
      const width = heads[at] === undefined ? widths[key] : shown.querySelectorAll("col")[heads[at].cellIndex]?.getAttribute("width");
      if (width) col.setAttribute("width", String(width));
      cols.append(col);
    });
    const head = table.createTHead().insertRow();
    this.keys.forEach((key, at) => {
      const th = document.createElement("th");
      th.scope = "col";
      th.className = key === "duration" ? "n clip" : "clip";
      th.textContent = heads[at] === undefined ? key[0].toUpperCase() + key.slice(1) : heads[at].textContent;
      head.append(th);
    });
    table.prepend(cols);
    table.prepend(caption);
    this.body = table.createTBody();
    this.scroll = document.createElement("div");
    this.scroll.className = "scroll tail-scroll";
    Object.assign(this.scroll, { tabIndex: 0, role: "region", ariaLabel: "Live rows" });
    this.scroll.append(table);
    this.scroll.addEventListener("pointerenter", () => (this.over = true));
    this.scroll.addEventListener("pointerleave", () => (this.over = false));
    this.line = document.createElement("p");
    this.line.className = "tail-line";
    this.state = document.createElement("span");
    this.state.setAttribute("role", "status");
    this.figures = document.createElement("span");
    this.resume = document.createElement("button");
    Object.assign(this.resume, { type: "button", className: "button", hidden: true });
    this.resume.addEventListener("click", () => this.goOn());
    this.line.append(this.state, this.figures, this.resume);
    this.panel = document.createElement("section");
    this.panel.className = "panel flush";
    this.panel.setAttribute("aria-label", "Live results");
    this.panel.append(this.scroll);
    this.found.append(this.line, this.panel);
  }

  close(isAsked) {
    this.source?.close();
    this.source = undefined;
    clearInterval(this.timer);
    this.panel.remove();
    this.line.remove();
    this.hidden.forEach((part) => (part.hidden = false));
    this.button.setAttribute("aria-pressed", "false");
    if (isAsked) history.replaceState(history.state, "", location.pathname + location.search);
  }

  /** Why nothing moves, if so. */
  paused() {
    const selection = getSelection();
    const selects = selection !== null && !selection.isCollapsed && this.scroll.contains(selection.anchorNode);
    if (this.told) return "as you said";
    if (this.scroll.scrollTop > 0) return "while you have scrolled down";
    if (selects) return "while text is selected";
    if (this.body.querySelector(".opened-row") !== null) return "while a row is open";
    return this.over ? "while the pointer is over the rows" : null;
  }

  /** Goes on at the newest row, whatever it waited for. */
  goOn() {
    this.told = false;
    this.over = false;
    getSelection()?.removeAllRanges();
    this.body.querySelectorAll(".opened-row").forEach((row) => row.remove());
    this.scroll.scrollTop = 0;
    this.flush();
  }

  take(row) {
    this.came[0] += 1;
    const rows = this.paused() === null && this.waiting.length === 0 ? this.slice : this.waiting;
    rows.push(row);
    if (rows.length > ROWS_MAX) {
      rows.shift();
      this.left += 1;
    }
  }

  /** Rows that the program left out. */
  drop({ rows, untested }) {
    this.left += rows;
    this.untested = (this.untested ?? 0) + untested;
  }

  /** Puts rows on the page: those that waited all, of those that came just now a sample if they are many. */
  flush() {
    if (performance.now() - this.since >= 1000) {
      this.since = performance.now();
      this.came = [0, ...this.came.slice(0, OVER_SECONDS)];
    }
    this.room = Math.min(this.room + (ROWS_PER_SECOND_MAX * EVERY_MS) / 1000, ROWS_PER_SECOND_MAX * OVER_SECONDS);
    if (this.paused() === null) {
      const slice = this.slice;
      const every = Math.max(1, slice.length / Math.max(1, Math.floor(this.room)));
      const sample = [];
      for (let at = 0; at < slice.length; at += every) sample.push(slice[Math.floor(at)]);
      this.room -= sample.length;
      this.left += slice.length - sample.length;
      this.put([...this.waiting, ...sample]);
      this.waiting = [];
      this.slice = [];
    } else if (this.slice.length > 0) {
      const rows = this.waiting.concat(this.slice);
      this.waiting = rows.slice(-ROWS_MAX);
      this.left += rows.length - this.waiting.length;
      this.slice = [];
    }
    this.say();
  }

  put(rows) {
    if (rows.length === 0) return;
    const lines = document.createDocumentFragment();
    for (const row of rows.slice(-ROWS_MAX).reverse()) lines.append(this.row(row));
    this.body.prepend(lines);
    this.rows = this.body.rows.length;
    while (this.rows > ROWS_MAX) {
      this.body.deleteRow(-1);
      this.rows -= 1;
    }
  }

  row(row) {
    const tr = document.createElement("tr");
    tr.id = `r-${row.id}`;
    if (this.signal === "logs") tr.className = `lv-${/^(trace|debug|info|warn|error|fatal)$/.test(row.severity ?? "") ? row.severity : "none"}`;
    for (const key of this.keys) {
      const [name, ...parts] = (CELLS[key] ?? ((one) => ["clip", attribute(one, key)]))(row);
      const cell = tr.insertCell();
      if (name !== "") cell.className = name;
      if (key !== "message") cell.append(...parts);
      else cell.appendChild(document.createElement("div")).append(...parts);
    }
    return tr;
  }

  say(state) {
    const why = this.paused();
    const words = state ?? (why === null ? "Live" : `Paused ${why}`);
    if (this.state.textContent !== words && this.source?.readyState === EventSource.OPEN) this.state.textContent = words;
    if (state !== undefined && state !== "Live") this.state.textContent = state;
    this.state.className = why === null ? "" : "paused";
    const past = this.came.slice(1);
    const rate = past.length === 0 ? 0 : Math.round(past.reduce((sum, came) => sum + came, 0) / past.length);
    const number = (count) => count.toLocaleString("en");
    const parts = [`${number(this.rows)} rows shown`, `${number(rate)} a second`];
    if (rate > ROWS_PER_SECOND_MAX) parts.push(`a sample: ${ROWS_PER_SECOND_MAX} of ${number(rate)} rows a second`);
    if (this.left > 0) parts.push(`${number(this.left)} left out so far`);
    if (this.untested > 0) parts.push(`${number(this.untested)} came too fast to be tested`);
    this.figures.textContent = parts.join(" · ");
    this.resume.hidden = why === null;
    this.resume.textContent = this.waiting.length === 1 ? "1 row waits: show it" : `${number(this.waiting.length)} rows wait: show them`;
  }

  /** A browser tries again by itself, unless it was refused. */
  async fail() {
    if (this.source === undefined) return;
    if (this.source.readyState !== EventSource.CLOSED) return this.say("The connection is gone; trying again");
    const looking = new AbortController();
    let why = "it is refused";
    try {
      const answer = await fetch(this.address, { signal: looking.signal });
      if (!answer.ok) why = (await answer.json()).error.message;
      looking.abort();
    } catch {
      why = "the program does not answer";
    }
    this.say(`No live rows: ${why}`);
  }
}

/** Makes a button open and close the tail of its page. @param {HTMLButtonElement} button */
export function liveTail(button) {
  button.hidden = false;
  const tail = new Tail(button);
  if (location.hash === "#live") tail.open(false);
}
