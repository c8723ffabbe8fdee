// Shows the trace of this file: reads its OTLP, makes one tree of spans, logs and events, and fills the rows in view.
// Telemetry may be hostile: all of it is set as text, and no function calls itself for what is below a row.

const ROW_PX = 24;
/** Rows that are filled below those in view. */
const SPARE_ROWS = 8;
const LEVEL_PX = 14;
/** Levels that are indented; what is deeper says its depth. */
const LEVELS_MAX = 24;
/** The highest that the rows are made; browsers end between 8 and 33 million pixels. */
const HEIGHT_MAX = 8_000_000;
/** Characters of a text in a row. */
const TEXT_MAX = 300;
/** Entries of a list beside the rows, and rows on paper. */
const LISTED_MAX = 200;
const PRINTED_MAX = 2_000;
/** How deep values are read. */
const NESTED_MAX = 32;
/** Rows that are searched before others have their turn, and how long the keys rest before. */
const SLICE = 5_000;
const REST_MS = 150;
const COLOURS = 20;
const FIRST_ERROR = 17;
const LEVELS = ["trace", "debug", "info", "warn", "error", "fatal"];
const KINDS = ["unspecified", "internal", "server", "client", "producer", "consumer"];
const STATES = ["unset", "ok", "error"];
const UNITS = [["d", 86_400e9], ["h", 3_600e9], ["m", 60e9], ["s", 1e9], ["ms", 1e6], ["µs", 1e3], ["ns", 1]];

const at = (id) => document.getElementById(id);

/** An element with a class and what is in it; strings are text. */
function make(name, className = "", ...parts) {
  const element = document.createElement(name);
  if (className !== "") element.className = className;
  element.append(...parts);
  return element;
}

// Reading.

/** The documents of this file, a line each. */
async function unpacked() {
  const letters = atob(at("otlp").textContent.trim());
  const bytes = new Uint8Array(letters.length);
  for (let place = 0; place < bytes.length; place += 1) bytes[place] = letters.charCodeAt(place);
  return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).text();
}

const list = (value) => (Array.isArray(value) ? value.filter((one) => one !== null && typeof one === "object") : []);
const string = (value) => (typeof value === "string" ? value : "");
const cut = (text) => (text.length > TEXT_MAX ? `${text.slice(0, TEXT_MAX)}…` : text);
/** Nanoseconds since 1970; 0 for what is no time. */
const nanos = (value) => (/^\d{1,20}$/.test(value) ? BigInt(value) : 0n);

/** A value of OTLP as plain JSON. */
function plain(value, depth = 0) {
  if (depth > NESTED_MAX) return "…";
  if (value?.arrayValue) return list(value.arrayValue.values).map((one) => plain(one, depth + 1));
  if (value?.kvlistValue) return Object.fromEntries(list(value.kvlistValue.values).map((one) => [one.key, plain(one.value, depth + 1)]));
  const [one = null] = Object.values(value ?? {});
  return typeof one === "object" ? null : one;
}

/** A value as people read it. */
function words(value) {
  const read = plain(value) ?? "";
  return typeof read === "object" ? JSON.stringify(read) : String(read);
}

const pairs = (attributes) => list(attributes).map(({ key, value }) => [string(key), words(value)]);
const attribute = (attributes, wanted) => words(list(attributes).find(({ key }) => key === wanted)?.value);

/**
 * A row: its record as it was sent, and under which service, resource and scope; where it is in the tree, among all rows
 * (`index`, with `size` rows) and among those not folded away (`place`); its nanoseconds since the trace began.
 * @param {"span" | "log" | "event" | "gap"} sort
 */
function rowOf(sort, record, under, start = 0n, parent = null) {
  const state = { failed: false, note: "", at: 0, length: 0, isFolded: false };
  return { sort, record, under, start, parent, children: [], depth: 1, index: 0, size: 1, place: -1, ...state };
}

function readSpan(span, under, rows) {
  const row = rowOf("span", span, under, nanos(span.startTimeUnixNano));
  if (row.start !== 0n) row.length = Math.max(0, Number(nanos(span.endTimeUnixNano) - row.start));
  row.failed = span.status?.code === 2;
  rows.push(row);
  for (const event of list(span.events)) {
    const below = rowOf("event", event, under, nanos(event.timeUnixNano), row);
    below.failed = event.name === "exception";
    rows.push(below);
  }
}

function readLog(log, under, rows) {
  const row = rowOf("log", log, under, nanos(log.timeUnixNano) || nanos(log.observedTimeUnixNano));
  row.failed = log.severityNumber >= FIRST_ERROR;
  rows.push(row);
}

/** Reads what a document has of a signal. */
function readParts(resources, scopes, records, read, rows) {
  for (const { resource, [scopes]: parts } of list(resources)) {
    const service = attribute(resource?.attributes, "service.name") || "unknown_service";
    for (const { scope, [records]: some } of list(parts)) for (const record of list(some)) read(record, { service, resource, scope }, rows);
  }
}

/** All rows, and how many lines are damaged. */
function readAll(text) {
  const rows = [];
  let damaged = 0;
  for (const line of text.split("\n").filter(Boolean)) {
    try {
      const { resourceSpans, resourceLogs } = JSON.parse(line);
      readParts(resourceSpans, "scopeSpans", "spans", readSpan, rows);
      readParts(resourceLogs, "scopeLogs", "logRecords", readLog, rows);
    } catch {
      damaged += 1;
    }
  }
  return { rows, damaged };
}

// The tree.

/** Sets the times of rows from the trace's start, which it returns. */
function setTimes(rows) {
  const timed = rows.filter(({ start }) => start !== 0n);
  const spans = timed.filter(({ sort }) => sort === "span");
  const start = (spans.length > 0 ? spans : timed).reduce((least, row) => (least === 0n || row.start < least ? row.start : least), 0n);
  for (const row of timed) row.at = Number(row.start - start);
  return start;
}

function gapOf(note) {
  return { ...rowOf("gap", {}, { service: "" }), at: Infinity, note };
}

/** Finds the parents of spans and logs. One that is missing is a gap, with what should hang under it. */
function setParents(rows) {
  const spans = new Map();
  for (const row of rows) {
    const id = string(row.record.spanId);
    if (row.sort !== "span" || id === "") continue;
    if (spans.has(id)) row.note = "repeated id";
    else spans.set(id, row);
  }
  const gaps = new Map();
  for (const row of rows.filter(({ sort }) => sort !== "event")) {
    const id = string(row.sort === "span" ? row.record.parentSpanId : row.record.spanId);
    if (/^0*$/.test(id)) continue;
    if (!spans.has(id) && !gaps.has(id)) gaps.set(id, gapOf(`span ${id} is not in this file`));
    row.parent = spans.get(id) ?? gaps.get(id);
  }
  for (const gap of gaps.values()) rows.push(gap);
}

/** Cuts spans that are each other's ancestors at the earliest of them. */
function cutCircles(rows) {
  const walks = new Map();
  for (const first of [...rows]) {
    let row = first;
    for (; row !== null && !walks.has(row); row = row.parent) walks.set(row, first);
    if (row === null || walks.get(row) !== first) continue;
    let earliest = row;
    for (let one = row.parent; one !== row; one = one.parent) if (one.at < earliest.at) earliest = one;
    earliest.parent = gapOf("the spans below are each other's ancestors; cut at the earliest");
    rows.push(earliest.parent);
  }
}

/** The rows from top to bottom: each, then those below it by time. */
function ordered(rows) {
  const top = [];
  for (const row of rows) {
    (row.parent?.children ?? top).push(row);
    if (row.parent?.sort === "gap") row.parent.at = Math.min(row.parent.at, row.at);
  }
  const order = [];
  const open = [];
  const follow = (some) => some.sort((a, b) => a.at - b.at).toReversed().forEach((row) => open.push(row));
  follow(top);
  while (open.length > 0) {
    const row = open.pop();
    row.index = order.length;
    row.depth = (row.parent?.depth ?? 0) + 1;
    order.push(row);
    follow(row.children);
  }
  for (const row of order.toReversed()) if (row.parent !== null) row.parent.size += row.size;
  return order;
}

// Colours and words of the program's pages.

/** A text's bytes, each as a character: these have the order of the program. */
const bytesOf = (text) => Array.from(new TextEncoder().encode(text), (byte) => String.fromCharCode(byte)).join("");

/** FNV-1a, folded. */
function colourOf(bytes) {
  let hash = 0xcbf29ce484222325n;
  for (const byte of bytes) hash = ((hash ^ BigInt(byte.charCodeAt(0))) * 0x100000001b3n) & 0xffffffffffffffffn;
  return Number((hash ^ (hash >> 32n)) % BigInt(COLOURS));
}

/** The class of each service's colour: the later by name takes the next free one. */
function paletteOf(services) {
  const taken = new Set();
  const named = [...new Set(services)].map((service) => [bytesOf(service), service]).sort(([a], [b]) => (a < b ? -1 : 1));
  const coloured = named.map(([bytes, service]) => {
    const wanted = colourOf(bytes);
    let colour = wanted;
    for (let step = 1; taken.has(colour) && step <= COLOURS; step += 1) colour = (wanted + step) % COLOURS;
    taken.add(colour);
    return [service, `c${colour}`];
  });
  return new Map(coloured);
}

const count = (number) => String(number).replace(/\B(?=(\d{3})+$)/g, ",");
const counted = (number, noun) => `${count(number)} ${noun}${number === 1 ? "" : "s"}`;
const three = (value) => value.toFixed(value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2);

/** A length of time with three digits, or in two units. */
function duration(nanos) {
  if (nanos < 0) return `−${duration(-nanos)}`;
  const place = UNITS.findIndex(([, size]) => nanos >= (size > 1e9 ? size : size * 0.9995));
  const [unit, size] = UNITS.at(place);
  if (size === 1) return `${nanos} ns`;
  if (size <= 1e9) return `${three(nanos / size)} ${unit}`;
  const [lower, part] = UNITS[place + 1];
  return `${Math.floor(nanos / size)} ${unit} ${String(Math.floor((nanos % size) / part)).padStart(2, "0")} ${lower}`;
}

const offset = (nanos) => (nanos < 0 ? duration(nanos) : `+${duration(nanos)}`);

/** A time in UTC, with so many digits after the second. */
function moment(nanos, digits) {
  if (nanos === 0n) return "–";
  const second = new Date(Number(nanos / 1_000_000n)).toISOString().replace("T", " ").slice(0, -5);
  return `${second}.${String(nanos % 1_000_000_000n).padStart(9, "0").slice(0, digits)}`;
}

/** What a row says, in full. */
function textOf({ sort, record, note }) {
  if (sort === "gap") return note;
  if (sort === "log") return words(record.body) || string(record.eventName);
  const said = sort === "event" ? [attribute(record.attributes, "exception.type"), attribute(record.attributes, "exception.message")] : [];
  return [string(record.name), ...said].filter(Boolean).join(": ");
}

/** The class and the word of a level. */
function levelOf({ sort, failed, record }) {
  if (sort !== "log") return [failed ? "lv-error" : "", sort];
  const level = LEVELS[Math.ceil(record.severityNumber / 4) - 1];
  return [level ? `lv-${level}` : "", level ?? (string(record.severityText).slice(0, 12) || "log")];
}

/** Round times for at most so many lines of the axis. */
function ticks(length, most) {
  const power = 10 ** Math.floor(Math.log10(length / most));
  const step = Math.max(1, power * ([1, 2, 5].find((factor) => factor * power * most >= length) ?? 10));
  return Array.from({ length: Math.floor(length / step) + 1 }, (_, number) => number * step);
}

/** A place on the axis. */
function axisLabel(time) {
  if (time === 0 || time >= 120e9) return time === 0 ? "0" : duration(time);
  const [unit, size] = UNITS.find(([, each]) => each <= 1e9 && time >= each);
  return `${Number((time / size).toFixed(6))} ${unit}`;
}

/** Whether rows have what is sought, in lower case. */
function seeker(sought) {
  const has = (text) => string(text).toLowerCase().includes(sought);
  const within = (attributes) => list(attributes).some(({ key, value }) => has(`${key}=${words(value)}`));
  const resources = new Map();
  return ({ record, note, under: { service, resource } }) => {
    if (!resources.has(resource)) resources.set(resource, within(resource?.attributes));
    if (resources.get(resource) || [service, note, words(record.body), record.status?.message].some(has)) return true;
    return [record.name, record.spanId, record.parentSpanId, record.traceId, record.eventName, record.severityText].some(has) || within(record.attributes);
  };
}

// What is known of a row.

const term = ([key, value]) => make("div", "", make("dt", "", key), make("dd", "", value));

/** A heading and what is below it; nothing where there is nothing. */
function section(title, all, ...parts) {
  return all.length === 0 ? "" : make("section", "", make("h3", "", `${title} `, make("span", "soft", count(all.length))), ...parts);
}

const table = (title, entries) => section(title, entries, make("dl", "pairs", ...entries.map(term)));

/** As many as anybody reads. */
function listed(title, all, part) {
  const more = all.length - LISTED_MAX;
  return section(title, all, ...all.slice(0, LISTED_MAX).map(part), more > 0 ? make("p", "soft", `and ${count(more)} more`) : "");
}

function inner(name, more, attributes) {
  return make("div", "inner", make("p", "", make("bdi", "", name), " ", make("span", "soft", more)), table("Attributes", pairs(attributes)));
}

function logLine(log, choose) {
  const [level, word] = levelOf(log);
  const button = make("button", "log-line", make("span", "soft", offset(log.at)), make("span", `level ${level}`, word), make("bdi", "text", cut(textOf(log))));
  button.type = "button";
  button.addEventListener("click", () => choose(log));
  return button;
}

/** @param {(row: object) => void} choose shows another row */
function knownOf(row, choose) {
  const { sort, record, under, note, children } = row;
  const { scope, resource, service } = under;
  if (sort === "gap") return [make("h2", "", note)];
  const isSpan = sort === "span";
  const message = string(record.status?.message);
  const facts = [["Time (UTC)", moment(row.start, 9)], ["From the start", offset(row.at)]];
  if (isSpan) facts.push(["Duration", duration(row.length)], ["Kind", KINDS[record.kind ?? 0] ?? ""], ["Status", STATES[record.status?.code ?? 0] ?? ""]);
  else facts.push(["Level", levelOf(row)[1]]);
  const sent = Object.entries(record).filter(([key, value]) => key !== "name" && typeof value !== "object").map(([key, value]) => [key, String(value)]);
  const named = [["name", string(scope?.name)], ["version", string(scope?.version)]].filter(([, text]) => text !== "");
  return [
    make("h2", "", make("bdi", "", textOf(row))),
    make("p", "by", make("span", `chip ${row.colour}`), make("bdi", "", service)),
    isSpan && (row.failed || message) ? make("p", row.failed ? "failure" : "", message || "failed, without a message") : "",
    note === "" ? "" : make("p", "warn", note),
    make("dl", "facts", ...facts.map(term)),
    table("Attributes", pairs(record.attributes)),
    listed("Logs", children.filter((one) => one.sort === "log"), (log) => logLine(log, choose)),
    listed("Events", children.filter((one) => one.sort === "event"), (one) => inner(string(one.record.name), offset(one.at), one.record.attributes)),
    listed("Links", list(record.links), (link) => inner(string(link.spanId), `of trace ${string(link.traceId)}`, link.attributes)),
    table("Resource", pairs(resource?.attributes)),
    table("Scope", [...named, ...pairs(scope?.attributes)]),
    table("Fields", sent),
  ];
}

// The page.

/** An element for rows, and its parts. */
function rowElement(number) {
  const element = at("row").content.firstElementChild.cloneNode(true);
  element.id = `row-${number}`;
  const part = { element, row: undefined };
  for (const name of ["indent", "fold", "deep", "mark", "service", "says", "flag", "tally", "when", "bar"]) part[name] = element.querySelector(`.${name}`);
  return part;
}

class Page {
  #pool = [];
  /** Rows that are not folded away. */
  #seen = [];
  #chosen = null;
  #sought = "";
  #hits = new Set();
  #rest = 0;
  #printed = 0;
  #grid = at("grid");

  constructor(rows, start) {
    this.rows = rows;
    this.spans = rows.filter(({ sort }) => sort === "span");
    this.failed = this.spans.filter(({ failed }) => failed);
    this.length = (this.spans.length > 0 ? this.spans : rows).reduce((most, row) => Math.max(most, row.at + row.length), 1);
    const palette = paletteOf(rows.map(({ under }) => under.service));
    for (const row of rows) row.colour = palette.get(row.under.service);
    this.#head(start);
    this.#listen();
    this.#unfold();
  }

  #head(start) {
    const { rows, spans, failed } = this;
    const root = spans.find(({ parent }) => parent === null) ?? spans[0] ?? rows.find(({ sort }) => sort === "log");
    const title = [make("span", `chip ${root.colour}`), make("b", "", make("bdi", "", cut(root.under.service))), " ", make("bdi", "", cut(textOf(root)))];
    at("title").replaceChildren(...title, failed.length > 0 ? make("span", "flag", "has errors") : "");
    const services = Map.groupBy(spans, ({ under }) => under.service);
    const depth = spans.reduce((most, row) => Math.max(most, row.depth), 0);
    const numbers = { spans: spans.length, logs: rows.filter(({ sort }) => sort === "log").length, services: services.size, depth, errors: failed.length };
    const facts = { duration: duration(this.length), start: moment(start, 3), trace: string(root.record.traceId) };
    for (const [id, number] of Object.entries(numbers)) facts[id] = count(number);
    for (const [id, text] of Object.entries(facts)) at(id).textContent = text;
    const most = [...services].sort(([, a], [, b]) => b.length - a.length).slice(0, LISTED_MAX);
    const legend = most.map(([service, some]) => {
      const bad = some.filter((row) => row.failed).length;
      const flag = bad > 0 ? make("span", "flag", count(bad), make("span", "vh", " failed")) : "";
      return make("li", "", make("span", `chip ${some[0].colour}`), make("bdi", "", cut(service)), make("span", "soft", counted(some.length, "span")), flag);
    });
    at("legend").replaceChildren(...legend);
    for (const id of ["facts", "find", "split"]) at(id).hidden = false;
  }

  /** Finds the rows that are not folded away. */
  #unfold() {
    this.#seen = [];
    let until = 0;
    for (const row of this.rows) {
      row.place = row.index < until ? -1 : this.#seen.push(row) - 1;
      if (row.isFolded && row.place >= 0) until = row.index + row.size;
    }
    this.#grid.setAttribute("aria-rowcount", this.#seen.length + 1);
    at("unprinted").textContent = this.#seen.length > PRINTED_MAX ? `The first ${count(PRINTED_MAX)} of ${count(this.#seen.length)} rows are printed.` : "";
    this.#measure();
  }

  #measure() {
    const height = this.#seen.length * ROW_PX;
    at("space").style.height = `${Math.min(height, HEIGHT_MAX)}px`;
    this.view = this.#grid.clientHeight - ROW_PX;
    // Where the rows are higher than may be, a pixel of the scroll bar is more of theirs.
    this.scale = Math.max(1, (height - this.view) / (HEIGHT_MAX - this.view));
    const width = at("axis").parentElement.clientWidth;
    const times = ticks(this.length, Math.min(6, Math.max(2, width / 80)));
    const line = (time, text) => {
      const tick = make("i", "", text);
      tick.style.left = `${(time / this.length) * 100}%`;
      return tick;
    };
    at("axis").replaceChildren(...times.map((time) => line(time, (1 - time / this.length) * width < 50 ? "" : axisLabel(time))));
    at("lines").replaceChildren(...times.map((time) => line(time, "")));
    this.#draw();
  }

  #draw() {
    const top = this.#printed > 0 ? 0 : this.#grid.scrollTop * this.scale;
    const some = this.#seen.slice(Math.floor(top / ROW_PX), this.#printed || Math.ceil((top + this.view) / ROW_PX) + SPARE_ROWS);
    while (this.#pool.length < some.length) {
      this.#pool.push(rowElement(this.#pool.length));
      at("layer").append(this.#pool.at(-1).element);
    }
    this.#grid.removeAttribute("aria-activedescendant");
    this.#pool.forEach((part, number) => {
      part.row = some[number];
      part.element.hidden = part.row === undefined;
      if (part.row === undefined) return;
      part.element.style.top = `${part.row.place * ROW_PX - top}px`;
      this.#fill(part, part.row);
    });
  }

  #fill(part, row) {
    const { element } = part;
    const { sort, depth, failed, isFolded } = row;
    const isSpan = sort === "span";
    const isChosen = row === this.#chosen;
    const [level, word] = levelOf(row);
    element.className = `row ${sort} ${row.colour} ${isSpan ? "" : level}${failed ? " failed" : ""}${this.#hits.has(row) ? " hit" : ""}`;
    const states = { rowindex: row.place + 2, level: depth, selected: isChosen, expanded: !isFolded };
    for (const [name, state] of Object.entries(states)) element.setAttribute(`aria-${name}`, state);
    if (row.size === 1) element.removeAttribute("aria-expanded");
    if (isChosen) this.#grid.setAttribute("aria-activedescendant", element.id);
    part.indent.style.width = `${Math.min(depth - 1, LEVELS_MAX) * LEVEL_PX}px`;
    part.mark.className = isSpan ? "mark chip" : "mark level";
    part.flag.className = failed ? "flag" : "flag warn";
    const texts = {
      fold: row.size === 1 ? "" : isFolded ? "▶" : "▼",
      deep: depth - 1 > LEVELS_MAX ? `·${count(depth)}` : "",
      mark: isSpan ? "" : word,
      service: isSpan ? cut(row.under.service) : "",
      says: cut(textOf(row)),
      flag: isSpan ? [failed ? "failed" : "", row.note].filter(Boolean).join(", ") : "",
      tally: isFolded ? `${counted(row.size - 1, "row")} folded` : "",
      when: isSpan ? duration(row.length) : offset(row.at),
    };
    for (const [name, text] of Object.entries(texts)) part[name].textContent = text;
    part.bar.style.left = `${Math.min(1, Math.max(0, row.at / this.length)) * 100}%`;
    part.bar.style.width = isSpan ? `${(row.length / this.length) * 100}%` : "";
  }

  #listen() {
    new ResizeObserver(() => this.#measure()).observe(this.#grid);
    this.#grid.addEventListener("scroll", () => this.#draw());
    this.#grid.addEventListener("click", ({ target }) => {
      const part = this.#pool.find(({ element }) => element.contains(target));
      if (target === part?.fold && part.row.size > 1) this.#fold(part.row, !part.row.isFolded);
      else if (part !== undefined) this.#choose(part.row);
    });
    at("close").addEventListener("click", () => this.#close());
    at("copy").addEventListener("click", async () => {
      // Where there is no clipboard, the id is marked at least.
      getSelection().selectAllChildren(at("trace"));
      await navigator.clipboard?.writeText(at("trace").textContent).then(() => at("copy").replaceChildren("Copied"), () => {});
    });
    at("q").addEventListener("input", () => {
      clearTimeout(this.#rest);
      this.#rest = setTimeout(() => this.#search(0), REST_MS);
    });
    document.addEventListener("keydown", (event) => {
      const act = event.ctrlKey || event.metaKey || event.altKey ? undefined : this.#acts(event)[event.key];
      if (act === undefined) return;
      event.preventDefault();
      act();
    });
    for (const [name, most] of [["beforeprint", PRINTED_MAX], ["afterprint", 0]]) {
      window.addEventListener(name, () => {
        this.#printed = most;
        this.#draw();
      });
    }
  }

  /** What keys do where they are pressed. */
  #acts({ target, shiftKey }) {
    if (target === at("q")) return { Enter: () => this.#search(shiftKey ? -1 : 1), Escape: () => this.#grid.focus() };
    const acts = { "/": () => at("q").select(), e: () => this.#next(this.failed, 1), E: () => this.#next(this.failed, -1), Escape: () => this.#close() };
    if (target !== this.#grid && target !== document.body) return acts;
    const page = Math.max(1, Math.floor(this.view / ROW_PX) - 1);
    const steps = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -Infinity, End: Infinity };
    for (const [key, by] of Object.entries(steps)) acts[key] = () => this.#step(by);
    return { ...acts, ArrowLeft: () => this.#left(), ArrowRight: () => this.#right() };
  }

  #step(by) {
    const place = (this.#chosen?.place ?? -1) + by;
    this.#choose(this.#seen[Math.min(this.#seen.length - 1, Math.max(0, place))]);
  }

  #left() {
    const row = this.#chosen;
    if (row?.size > 1 && !row.isFolded) this.#fold(row, true);
    else if (row?.parent) this.#choose(row.parent);
  }

  #right() {
    const row = this.#chosen;
    if (row?.isFolded) this.#fold(row, false);
    else if (row?.size > 1) this.#choose(row.children[0]);
  }

  #fold(row, isFolded) {
    row.isFolded = isFolded;
    this.#unfold();
    if (this.#chosen?.place < 0) this.#choose(row);
  }

  /** Goes to the next of some rows, around the ends. */
  #next(rows, by) {
    const from = this.#chosen?.index ?? -1;
    const next = by > 0 ? rows.find(({ index }) => index > from) : rows.findLast(({ index }) => index < from);
    if (rows.length > 0) this.#choose(next ?? rows.at(by > 0 ? 0 : -1));
  }

  /** Chooses a row: opens what it is folded in, scrolls to it, tells what is known of it. */
  #choose(row) {
    this.#chosen = row;
    if (row.place < 0) {
      for (let above = row.parent; above !== null; above = above.parent) above.isFolded = false;
      this.#unfold();
    }
    this.#pane(row);
    const [top, now] = [row.place * ROW_PX, this.#grid.scrollTop * this.scale];
    const isFar = top < now - this.view || top > now + 2 * this.view;
    if (isFar) this.#grid.scrollTop = (top - this.view / 3) / this.scale;
    else if (top < now) this.#grid.scrollTop = top / this.scale;
    else if (top > now + this.view - ROW_PX) this.#grid.scrollTop = (top - this.view + ROW_PX) / this.scale;
    this.#draw();
    this.#tell();
  }

  #close() {
    this.#pane(null);
    this.#grid.focus();
  }

  #pane(row) {
    at("detail").hidden = row === null;
    at("split").classList.toggle("chosen", row !== null);
    if (row !== null) {
      at("sort").textContent = row.sort;
      at("known").replaceChildren(...knownOf(row, (other) => this.#choose(other)));
      at("detail").scrollTop = 0;
    }
    this.#measure();
  }

  /** Goes on among what is found, or finds what is new in the field. */
  async #search(by) {
    clearTimeout(this.#rest);
    const sought = at("q").value.trim().toLowerCase();
    if (sought === this.#sought) return by === 0 ? undefined : this.#next([...this.#hits], by);
    this.#sought = sought;
    this.#hits = new Set();
    const has = sought === "" ? () => false : seeker(sought);
    for (const [number, row] of this.rows.entries()) {
      if (number % SLICE === SLICE - 1) await new Promise((next) => setTimeout(next));
      if (sought !== this.#sought) return undefined;
      if (has(row)) this.#hits.add(row);
    }
    const [first] = this.#hits;
    if (first !== undefined) return this.#choose(first);
    this.#draw();
    return this.#tell();
  }

  /** Says how many are found, and which of them is chosen. */
  #tell() {
    const number = [...this.#hits].indexOf(this.#chosen) + 1;
    const found = number > 0 ? `${count(number)} of ${count(this.#hits.size)}` : `${count(this.#hits.size)} found`;
    at("found").textContent = this.#sought === "" ? "" : found;
  }
}

/** Says something of the whole file. */
function tell(text) {
  at("news").textContent = text;
  at("news").hidden = text === "";
}

try {
  const { rows, damaged } = readAll(await unpacked().catch(() => ""));
  if (rows.length === 0) throw new Error("no span and no log can be read in it; it may be damaged, or this browser too old");
  const start = setTimes(rows);
  setParents(rows);
  cutCircles(rows);
  new Page(ordered(rows), start);
  tell(damaged > 0 ? `${counted(damaged, "line")} of this file cannot be read.` : "");
} catch (error) {
  tell(`The trace in this file cannot be shown: ${error.message}.`);
}
