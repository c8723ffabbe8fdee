// Shows the trace of this file: reads its OTLP, puts spans, logs and events in order, and draws the rows that are in view.
// Everything of the telemetry is set as text.

const ROW_PX = 24;
/** Rows that are drawn above and below what is in view. */
const AROUND = 10;
const INDENT_MAX = 24;
const TEXT_MAX = 300;
const COLOURS = 20;
const KINDS = ["unspecified", "internal", "server", "client", "producer", "consumer"];
const LEVELS = ["trace", "debug", "info", "warn", "error", "fatal"];
const FIRST_ERROR = 17;

const at = (id) => document.getElementById(id);
const number = (value) => value.toLocaleString("en");

/** An element with a class and a text. */
function make(name, className = "", text = "") {
  const element = document.createElement(name);
  if (className !== "") element.className = className;
  if (text !== "") element.textContent = text;
  return element;
}

// Reading.

/** The documents of this file. */
async function documents() {
  const bytes = Uint8Array.from(atob(at("otlp").textContent.trim()), (letter) => letter.charCodeAt(0));
  const plain = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  const text = await new Response(plain).text();
  return text.split("\n").filter((line) => line !== "").map((line) => JSON.parse(line));
}

/** An OTLP value as people read it. */
function valueOf(value) {
  if (value?.arrayValue) return (value.arrayValue.values ?? []).map(valueOf);
  if (value?.kvlistValue) return Object.fromEntries(pairsOf(value.kvlistValue.values));
  const [plain] = Object.values(value ?? {});
  return plain ?? null;
}

const pairsOf = (attributes) => (attributes ?? []).map(({ key, value }) => [key, valueOf(value)]);
const written = (value) => (typeof value === "string" ? value : JSON.stringify(value));

/**
 * @typedef {object} Row
 * @property {"span" | "log" | "event"} sort
 * @property {string} name
 * @property {string} service
 * @property {bigint} start
 * @property {bigint} end
 * @property {boolean} failed
 * @property {Row[]} below
 * @property {Row | null} above
 * @property {number} level
 * @property {boolean} shut
 */

function row(sort, name, service, start, end, failed, more) {
  return { sort, name, service, start, end, failed, below: [], above: null, level: 1, shut: false, ...more };
}

function rowOfSpan(span, resource, scope) {
  const service = serviceOf(resource);
  const start = BigInt(span.startTimeUnixNano ?? 0);
  const failed = span.status?.code === 2;
  const made = row("span", span.name ?? "", service, start, BigInt(span.endTimeUnixNano ?? 0), failed, { record: span, resource, scope });
  for (const event of span.events ?? []) {
    const time = BigInt(event.timeUnixNano ?? 0);
    const about = new Map(pairsOf(event.attributes));
    const said = [about.get("exception.type"), about.get("exception.message")].filter(Boolean).join(": ");
    const name = said === "" ? event.name ?? "" : `${event.name}: ${said}`;
    hang(row("event", name, service, time, time, event.name === "exception", { record: event, resource, scope }), made);
  }
  return made;
}

function rowOfLog(log, resource, scope) {
  const time = BigInt(log.timeUnixNano ?? log.observedTimeUnixNano ?? 0);
  const failed = (log.severityNumber ?? 0) >= FIRST_ERROR;
  return row("log", written(valueOf(log.body)) ?? "", serviceOf(resource), time, time, failed, { record: log, resource, scope });
}

function serviceOf(resource) {
  const [, name] = pairsOf(resource?.attributes).find(([key]) => key === "service.name") ?? [];
  return typeof name === "string" ? name : "unknown_service";
}

function hang(made, above) {
  made.above = above;
  above.below.push(made);
}

/** All rows as a tree: the row above each, cycles cut, and whether its parent is missing. */
function treeOf(found) {
  const spans = [];
  const logs = [];
  for (const document of found) {
    for (const { resource, scopeSpans } of document.resourceSpans ?? [])
      for (const { scope, spans: some } of scopeSpans ?? []) for (const span of some ?? []) spans.push(rowOfSpan(span, resource, scope));
    for (const { resource, scopeLogs } of document.resourceLogs ?? [])
      for (const { scope, logRecords } of scopeLogs ?? []) for (const log of logRecords ?? []) logs.push(rowOfLog(log, resource, scope));
  }
  const byId = new Map();
  for (const span of spans) if (!byId.has(span.record.spanId)) byId.set(span.record.spanId, span);
  const roots = [];
  for (const span of spans) {
    const id = span.record.parentSpanId;
    const above = id ? byId.get(id) : undefined;
    span.isOrphan = Boolean(id) && above === undefined;
    if (above === undefined || above === span) roots.push(span);
    else hang(span, above);
  }
  for (const log of logs) {
    const above = byId.get(log.record.spanId);
    if (above === undefined) roots.push(log);
    else hang(log, above);
  }
  cutCycles(spans, roots);
  return { spans, logs, roots };
}

/** Spans that no root leads to hang under each other in a circle: the first of each becomes a root. */
function cutCycles(spans, roots) {
  const reached = new Set();
  const walk = (from) => {
    const open = [from];
    while (open.length > 0) {
      const one = open.pop();
      if (reached.has(one)) continue;
      reached.add(one);
      open.push(...one.below);
    }
  };
  roots.forEach(walk);
  for (const span of spans) {
    if (reached.has(span)) continue;
    span.above.below.splice(span.above.below.indexOf(span), 1);
    span.above = null;
    roots.push(span);
    walk(span);
  }
}

const byTime = (a, b) => (a.start < b.start ? -1 : a.start > b.start ? 1 : 0);

/** All rows in order, each with its level. */
function inOrder(roots) {
  const rows = [];
  const open = roots.toSorted(byTime).reverse();
  while (open.length > 0) {
    const one = open.pop();
    one.level = one.above === null ? 1 : one.above.level + 1;
    one.index = rows.length;
    rows.push(one);
    for (const next of one.below.sort(byTime).toReversed()) open.push(next);
  }
  return rows;
}

// Colours: those of the program.

function hashOf(service) {
  let hash = 0xcbf29ce484222325n;
  for (const byte of new TextEncoder().encode(service)) hash = ((hash ^ BigInt(byte)) * 0x100000001b3n) & 0xffffffffffffffffn;
  return Number((hash ^ (hash >> 32n)) % BigInt(COLOURS));
}

/** A colour for each service, different ones while there are any. */
function paletteOf(services) {
  const taken = new Set();
  const palette = new Map();
  for (const service of [...services].sort()) {
    const wanted = hashOf(service);
    let colour = wanted;
    for (let step = 0; taken.has(colour) && step < COLOURS; step += 1) colour = (wanted + step) % COLOURS;
    taken.add(colour);
    palette.set(service, colour);
  }
  return palette;
}

// Words.

function duration(nanos) {
  const units = [["s", 1e9], ["ms", 1e6], ["µs", 1e3]];
  const [unit, size] = units.find(([, each]) => Math.abs(nanos) >= each) ?? ["ns", 1];
  return `${Number((nanos / size).toPrecision(3))} ${unit}`;
}

function moment(nanos) {
  const text = new Date(Number(nanos / 1_000_000n)).toISOString();
  return `${text.slice(0, 10)} ${text.slice(11, 23)}`;
}

const cut = (text) => (text.length > TEXT_MAX ? `${text.slice(0, TEXT_MAX)}…` : text);

// The page.

class Page {
  constructor({ spans, logs, roots }) {
    this.spans = spans;
    this.logs = logs;
    this.rows = inOrder(roots);
    this.palette = paletteOf(new Set(this.rows.map(({ service }) => service)));
    this.start = this.rows.reduce((least, { start }) => (start < least ? start : least), this.rows[0].start);
    const end = this.rows.reduce((most, one) => (one.end > most ? one.end : most), this.start);
    this.length = Math.max(1, Number(end - this.start));
    this.pool = [];
    this.hits = [];
    this.isHit = new Set();
    this.chosen = null;
    this.grid = at("grid");
    this.space = at("space");
    this.head();
    this.axis();
    this.see();
    this.listen();
  }

  head() {
    const { rows, spans, logs } = this;
    const root = rows.find(({ sort }) => sort === "span") ?? rows[0];
    at("title").replaceChildren(this.chip(root.service), make("b", "", cut(root.service)), ` ${cut(root.name)}`);
    const depth = rows.reduce((most, { level }) => Math.max(most, level), 1);
    const failed = spans.filter((span) => span.failed).length;
    const orphans = spans.filter((span) => span.isOrphan).length;
    const facts = [
      ["Duration", duration(this.length)],
      ["Spans", number(spans.length)],
      ["Logs", number(logs.length)],
      ["Depth", number(depth)],
      ["Errors", number(failed)],
      ["Start (UTC)", moment(this.start)],
      ["Trace", root.record.traceId ?? "–"],
    ];
    if (orphans > 0) facts.push(["Parents missing", number(orphans)]);
    at("facts").replaceChildren(...facts.map(([key, value]) => pair(key, value)));
    const counts = new Map();
    for (const { service } of spans) counts.set(service, (counts.get(service) ?? 0) + 1);
    const legend = [...counts].sort(([a], [b]) => (a < b ? -1 : 1)).map(([service, count]) => {
      const item = make("li");
      item.append(this.chip(service), `${cut(service)} `, make("span", "soft", number(count)));
      return item;
    });
    at("legend").replaceChildren(...legend);
  }

  chip(service) {
    return make("span", `chip c${this.palette.get(service)}`);
  }

  axis() {
    const ticks = [0, 0.25, 0.5, 0.75].map((share) => {
      const tick = make("i", "", duration(share * this.length));
      tick.style.left = `${share * 100}%`;
      return tick;
    });
    at("axis").append(...ticks);
  }

  /** Finds out which rows are not folded away, and draws. */
  see() {
    this.seen = [];
    let hidden = Infinity;
    for (const one of this.rows) {
      if (one.level > hidden) continue;
      hidden = one.shut ? one.level : Infinity;
      one.place = this.seen.length;
      this.seen.push(one);
    }
    this.space.style.height = `${this.seen.length * ROW_PX}px`;
    this.grid.ariaRowCount = String(this.seen.length + 1);
    this.draw();
  }

  draw() {
    const first = Math.max(0, Math.floor(this.grid.scrollTop / ROW_PX) - AROUND);
    const count = Math.ceil(this.grid.clientHeight / ROW_PX) + 2 * AROUND;
    const some = this.seen.slice(first, first + count);
    while (this.pool.length < some.length) {
      const element = make("div", "row");
      element.role = "row";
      this.pool.push(element);
      this.space.append(element);
    }
    this.pool.forEach((element, index) => {
      element.hidden = index >= some.length;
      if (!element.hidden) this.fill(element, some[index]);
    });
  }

  fill(element, one) {
    const isHit = this.isHit.has(one);
    element.className = `row c${this.palette.get(one.service)}${one.sort === "span" ? "" : " tick"}${one.failed ? " failed" : ""}${isHit ? " hit" : ""}`;
    element.style.top = `${one.place * ROW_PX}px`;
    element.id = `row-${one.index}`;
    element.dataset.index = String(one.index);
    element.ariaRowIndex = String(one.place + 2);
    element.ariaLevel = String(one.level);
    element.ariaSelected = String(one === this.chosen);
    element.ariaExpanded = one.below.length > 0 ? String(!one.shut) : null;
    const name = make("span", "name");
    name.role = "gridcell";
    name.style.paddingInlineStart = `${Math.min(one.level - 1, INDENT_MAX) * 14 + 10}px`;
    name.append(make("span", "fold", one.below.length === 0 ? "" : one.shut ? "▸" : "▾"), ...this.label(one));
    const time = make("span", "n", one.sort === "span" ? duration(Number(one.end - one.start)) : `+${duration(Number(one.start - this.start))}`);
    time.role = "gridcell";
    const place = make("span", "place");
    place.role = "gridcell";
    const bar = make("span", "bar");
    bar.style.left = `${(Number(one.start - this.start) / this.length) * 100}%`;
    if (one.sort === "span") bar.style.width = `${(Math.max(0, Number(one.end - one.start)) / this.length) * 100}%`;
    place.append(bar);
    element.replaceChildren(name, time, place);
  }

  label(one) {
    const text = make("span", "text");
    if (one.sort !== "span") {
      text.textContent = cut(one.name);
      return [make("span", "level", one.sort === "log" ? levelOf(one.record) : "event"), text];
    }
    const state = `${one.failed ? " ⚠ failed" : ""}${one.isOrphan ? " · parent missing" : ""}`;
    text.append(make("b", "", cut(one.service)), ` ${cut(one.name)}`, make("span", one.failed ? "bad" : "soft", state));
    return [this.chip(one.service), text];
  }

  listen() {
    this.grid.addEventListener("scroll", () => this.draw(), { passive: true });
    window.addEventListener("resize", () => this.draw());
    this.grid.addEventListener("click", (event) => {
      const element = event.target.closest(".row");
      if (element === null) return;
      const one = this.rows[Number(element.dataset.index)];
      if (event.target.closest(".fold") !== null) this.fold(one, !one.shut);
      else this.choose(one);
    });
    this.grid.addEventListener("keydown", (event) => this.key(event));
    at("q").addEventListener("input", () => this.find(at("q").value));
    at("find").addEventListener("submit", (event) => event.preventDefault());
    at("q").addEventListener("keydown", (event) => {
      if (event.key === "Enter") this.hit(event.shiftKey ? -1 : 1);
    });
    document.addEventListener("keydown", (event) => {
      if (event.key !== "/" || event.target === at("q")) return;
      event.preventDefault();
      at("q").focus();
    });
  }

  key(event) {
    const page = Math.max(1, Math.floor(this.grid.clientHeight / ROW_PX) - 2);
    const steps = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -Infinity, End: Infinity };
    const one = this.chosen;
    if (event.key in steps) this.step(steps[event.key]);
    else if (event.key === "Escape") this.choose(null);
    else if (event.key === "e" || event.key === "E") this.failure(event.key === "e" ? 1 : -1);
    else if (one !== null && event.key === "ArrowRight" && one.shut) this.fold(one, false);
    else if (one !== null && event.key === "ArrowLeft" && one.below.length > 0 && !one.shut) this.fold(one, true);
    else if (one !== null && event.key === "ArrowLeft" && one.above !== null) this.choose(one.above);
    else return;
    event.preventDefault();
  }

  step(by) {
    const from = this.chosen === null ? -1 : this.chosen.place;
    const to = Math.min(this.seen.length - 1, Math.max(0, from + by));
    this.choose(this.seen[to]);
  }

  fold(one, shut) {
    one.shut = shut;
    this.see();
  }

  /** The next failed span in a direction, around the ends. */
  failure(by) {
    const failed = this.rows.filter((one) => one.sort === "span" && one.failed);
    if (failed.length === 0) return;
    const from = this.chosen?.index ?? -1;
    const next = by > 0 ? failed.find(({ index }) => index > from) ?? failed[0] : failed.findLast(({ index }) => index < from) ?? failed.at(-1);
    this.choose(next);
  }

  choose(one) {
    this.chosen = one;
    let opened = false;
    for (let above = one?.above; above; above = above.above) {
      opened ||= above.shut;
      above.shut = false;
    }
    if (opened) this.see();
    if (one !== null) this.show(one.place);
    this.draw();
    if (one === null) this.grid.removeAttribute("aria-activedescendant");
    else this.grid.setAttribute("aria-activedescendant", `row-${one.index}`);
    this.detail(one);
  }

  /** Scrolls so that a place is in view, below the head. */
  show(place) {
    const [top, height] = [place * ROW_PX, this.grid.clientHeight - 2 * ROW_PX];
    if (top < this.grid.scrollTop) this.grid.scrollTop = top;
    else if (top > this.grid.scrollTop + height) this.grid.scrollTop = top - height;
  }

  find(text) {
    const sought = text.trim().toLowerCase();
    this.hits = sought === "" ? [] : this.rows.filter((one) => searched(one).includes(sought));
    this.isHit = new Set(this.hits);
    this.at = -1;
    if (this.hits.length > 0) this.hit(1);
    else this.draw();
    at("found").textContent = sought === "" ? "" : this.told();
  }

  hit(by) {
    if (this.hits.length === 0) return;
    this.at = (this.at + by + this.hits.length) % this.hits.length;
    this.choose(this.hits[this.at]);
    at("found").textContent = this.told();
  }

  told() {
    return this.hits.length === 0 ? "nothing found" : `${number(this.at + 1)} of ${number(this.hits.length)}`;
  }

  detail(one) {
    const pane = at("detail");
    pane.hidden = one === null;
    if (one === null) return;
    const close = make("button", "close", "Close");
    close.type = "button";
    close.addEventListener("click", () => {
      this.choose(null);
      this.grid.focus();
    });
    pane.replaceChildren(close, ...partsOf(one, this.start));
    pane.scrollTop = 0;
  }
}

function levelOf(log) {
  const of = Math.ceil((log.severityNumber ?? 0) / 4) - 1;
  return LEVELS[of] ?? log.severityText ?? "log";
}

/** Everything of a row that is searched, in lower case. */
function searched(one) {
  one.text ??= `${one.service} ${one.name} ${one.record.spanId ?? ""} ${JSON.stringify(pairsOf(one.record.attributes))}`.toLowerCase();
  return one.text;
}

function pair(key, value) {
  const both = make("div");
  both.append(make("dt", "", key), make("dd", "", value));
  return both;
}

/** A heading with what is below it; nothing where there is nothing. */
function table(title, entries) {
  const some = entries.filter(([, value]) => value !== undefined && value !== null && value !== "");
  if (some.length === 0) return [];
  const list = make("dl");
  for (const [key, value] of some) list.append(make("dt", "", key), make("dd", "value", written(value)));
  return [make("h3", "", title), list];
}

/** What is known of a row. */
function partsOf(one, start) {
  const { record, resource, scope } = one;
  const fields = [
    ["service", one.service],
    ["time (UTC)", moment(one.start)],
    ["from the start", duration(Number(one.start - start))],
  ];
  if (one.sort === "span") {
    const { code = 0, message } = record.status ?? {};
    const status = ["unset", "ok", "error"][code];
    fields.push(["duration", duration(Number(one.end - one.start))], ["kind", KINDS[record.kind ?? 0]], ["status", status], ["message", message]);
    fields.push(["span", record.spanId], ["parent", record.parentSpanId], ["trace state", record.traceState]);
  } else if (one.sort === "log") {
    fields.push(["level", record.severityText || levelOf(record)], ["event", record.eventName], ["span", record.spanId]);
  }
  const links = (record.links ?? []).map(({ traceId, spanId, attributes }) => [`${traceId} ${spanId}`, Object.fromEntries(pairsOf(attributes))]);
  return [
    make("p", "soft", one.sort),
    make("h2", "", one.name),
    ...table("Fields", fields),
    ...table("Attributes", pairsOf(record.attributes)),
    ...table("Resource", pairsOf(resource?.attributes)),
    ...table("Scope", [["name", scope?.name], ["version", scope?.version], ...pairsOf(scope?.attributes)]),
    ...table("Links", links),
  ];
}

function fail(why) {
  at("problem").textContent = `The trace in this file cannot be shown: ${why}`;
  at("problem").hidden = false;
}

try {
  const tree = treeOf(await documents());
  if (tree.roots.length > 0) new Page(tree);
  else fail("no span and no log is in it");
} catch (error) {
  fail(error.message);
}
