// The trace page: puts all rows of the trace where the server rendered the first. Without script the page stays as it came.

import { withParameters } from "./trace-address.js";
import { Details } from "./trace-detail.js";
import { ofOperation } from "./trace-find.js";
import { count, counted } from "./trace-format.js";
import { Grid, element } from "./trace-grid.js";
import { explain, listen } from "./trace-keys.js";
import { LOG, SPAN } from "./trace-outline.js";
import { Strip } from "./trace-strip.js";
import { Trace, parameters, say } from "./trace-view.js";

/** How often a trace is asked whether it has grown, and for how long after its end. */
const GROWTH_MS = 5_000;
const GROWTH_UNTIL_MS = 10 * 60_000;

const root = document.getElementById("trace");
const news = document.getElementById("news");

// Switches.

const SWITCHES = [
  ["critical", "Critical path", "c"],
  ["marks", "Logs and events", "x"],
  ["follow", "Follow rows", "f"],
  ["alone", "Only matches", "m"],
];

function drawSwitches(trace) {
  const place = document.getElementById("switches");
  if (place.childElementCount === 0) {
    for (const [name, words, key] of SWITCHES) {
      const button = element("button", "switch", { type: "button", "data-switch": name, title: `${words} (${key})` });
      button.textContent = words;
      button.addEventListener("click", () => press(trace, name));
      place.append(button);
    }
    place.hidden = false;
  }
  for (const button of place.children) {
    const name = button.dataset.switch;
    const isOn = name === "follow" ? trace.state.zoom === null : trace.state[name];
    button.setAttribute("aria-pressed", String(isOn));
    if (name === "alone") button.hidden = trace.state.matches === null;
  }
}

function press(trace, name) {
  if (name === "follow") trace.zoom(trace.state.zoom === null ? "all" : null);
  else trace.toggle(name);
}

function keys(trace) {
  const { grid } = trace;
  const index = () => grid.cursor;
  const entry = () => trace.shown[index()];
  const isOpen = () => (entry() < 0 ? trace.state.open[-1 - entry()] !== 0 : trace.state.folded[entry()] === 0);
  const below = () => entry() < 0 || trace.model.size[entry()] > 1;
  const parent = () => {
    const row = entry() < 0 ? trace.model.groups.members[trace.model.groups.first[-1 - entry()]] : entry();
    const above = trace.model.parent[row];
    const group = trace.model.groups.of[row];
    if (entry() >= 0 && group >= 0 && trace.isMember(row)) return grid.go(trace.indexOf(-1 - group));
    return above < 0 ? false : grid.go(trace.indexOf(above));
  };
  const inGrid = (act) => (event) => (grid.root.contains(event.target) ? act(event) : false);
  const fold = () => (below() && isOpen() ? trace.fold(index(), false) : parent());
  const unfold = () => (below() && !isOpen() ? trace.fold(index(), true) : grid.go(index() + 1));
  const page = () => Math.max(1, Math.floor(grid.view / grid.rowHeight) - 1);
  const operation = (sign) => () => {
    const row = entry() < 0 ? trace.model.groups.members[trace.model.groups.first[-1 - entry()]] : entry();
    const { services, names, service, name } = trace.model;
    const term = ofOperation(services[service[row]], names[name[row]]);
    document.getElementById("q").value = sign === "+" ? term : `NOT (${term})`;
    trace.find(document.getElementById("q").value, { go: false });
  };
  listen({
    j: () => grid.go(index() + 1),
    k: () => grid.go(index() - 1),
    ArrowDown: inGrid(() => grid.go(index() + 1)),
    ArrowUp: inGrid(() => grid.go(index() - 1)),
    PageDown: inGrid(() => grid.go(index() + page())),
    PageUp: inGrid(() => grid.go(index() - page())),
    Home: inGrid(() => grid.go(0)),
    End: inGrid(() => grid.go(trace.count - 1)),
    h: fold,
    ArrowLeft: inGrid(fold),
    l: unfold,
    ArrowRight: inGrid(unfold),
    p: parent,
    Enter: inGrid(() => (entry() < 0 ? trace.fold(index()) : trace.select(entry()))),
    Escape: () => (trace.state.selected >= 0 ? trace.select(null) : false),
    n: () => (trace.found === null ? false : trace.step(trace.found, 1)),
    N: () => (trace.found === null ? false : trace.step(trace.found, -1)),
    e: () => trace.stepError(1),
    E: () => trace.stepError(-1),
    c: () => trace.toggle("critical"),
    x: () => trace.toggle("marks"),
    m: () => (trace.state.matches === null ? false : trace.toggle("alone")),
    f: () => press(trace, "follow"),
    0: () => trace.zoom("all"),
    w: () => trace.zoomBy(0.5),
    s: () => trace.zoomBy(2),
    a: () => trace.zoomBy(1, -0.25),
    d: () => trace.zoomBy(1, 0.25),
    v: nextView,
    "+": operation("+"),
    "-": operation("-"),
  });
}

/** Goes to the next view, with everything else as it is. */
function nextView() {
  const tabs = [...document.querySelectorAll(".view-bar .tabs a")];
  const at = tabs.findIndex((tab) => tab.hasAttribute("aria-current"));
  tabs[(at + 1) % tabs.length].click();
}

/** Links to rows of this trace choose them in place; the close mark chooses none. */
function follow(trace) {
  document.addEventListener("click", async (event) => {
    const link = event.target.closest("a");
    const isPlain = event.button === 0 && !event.ctrlKey && !event.metaKey && !event.shiftKey && !event.altKey;
    if (link === null || !isPlain || trace.grid.root.contains(link)) return;
    if (link.matches("[data-close]")) {
      event.preventDefault();
      await trace.select(null);
      return trace.grid.go(trace.grid.cursor);
    }
    const address = new URL(link.href);
    const isHere = address.pathname === location.pathname && link.closest("#detail") !== null;
    const id = address.searchParams.get("span") ?? (address.searchParams.has("log") ? `#${address.searchParams.get("log")}` : null);
    if (!isHere || id === null) return;
    event.preventDefault();
    const rows = await trace.seek({ ids: id }).catch((error) => say(error.message));
    if (rows === undefined) return;
    const [row] = rows;
    if (row === undefined) return say("that row is not in this trace as it is shown");
    trace.goTo(row);
    await trace.select(row);
  });
  document.querySelector(".find").addEventListener("submit", (event) => {
    event.preventDefault();
    const q = document.getElementById("q");
    q.blur();
    trace.find(q.value.trim());
  });
  window.addEventListener("popstate", async () => {
    const before = root.dataset.view;
    if ((parameters().get("view") || "waterfall") !== before) return location.reload();
    try {
      const given = await trace.restore({ isFirst: false });
      trace.arrange();
      await trace.resume(given);
    } catch (error) {
      say(error.message);
    }
  });
  const scheme = window.matchMedia("(prefers-color-scheme: dark)");
  scheme.addEventListener("change", () => location.reload());
}

/** Views keep zoom, folds, search and selection. */
function keepInViews() {
  document.querySelector(".view-bar .tabs").addEventListener("click", (event) => {
    const tab = event.target.closest("a");
    if (tab !== null) tab.href = withParameters({ view: new URL(tab.href).searchParams.get("view") }).href;
  });
}

/** Asks for an outline in a worker. */
function outline(address, progress) {
  const worker = new Worker(new URL("./trace-worker.js", import.meta.url), { type: "module" });
  return new Promise((resolve, reject) => {
    worker.addEventListener("message", ({ data }) => {
      if (data.rows !== undefined) return progress(data);
      worker.terminate();
      if (data.model !== undefined) resolve(data.model);
      else reject(new Error(data.error));
    });
    worker.addEventListener("error", (event) => reject(new Error(event.message || "the worker could not start")));
    worker.postMessage({ address });
  });
}

/** Offers what has come to the trace since; the view stays until it is asked for. */
function watchGrowth(trace) {
  const { head } = trace.model;
  const end = Number(BigInt(head.start) / 1_000_000n) + head.duration_ns / 1e6;
  const timer = setInterval(async () => {
    if (Date.now() > end + GROWTH_UNTIL_MS) return clearInterval(timer);
    if (document.hidden) return;
    const size = await fetch(`${trace.api}/size`).then((answer) => answer.json()).catch(() => null);
    if (size === null || size.spans === undefined) return;
    const { spans_stored: spans, logs_stored: logs } = trace.model.head;
    const more = [[size.spans - spans, "span"], [size.logs - logs, "log"]].filter(([number]) => number > 0);
    if (more.length > 0) offer(trace, more.map(([number, noun]) => counted(number, `new ${noun}`)).join(" and "));
  }, GROWTH_MS);
}

function offer(trace, words) {
  const button = element("button", "button", { type: "button" });
  button.textContent = "Show";
  button.addEventListener("click", () => grow(trace).catch((error) => say(`What is new could not be shown: ${error.message}`)));
  say("");
  news.hidden = false;
  news.replaceChildren(`${words} came since. `, button);
}

/** Takes the trace as it is now. The row at the cursor stays where it is seen. */
async function grow(trace) {
  const { grid } = trace;
  const entry = trace.shown[grid.cursor];
  const row = entry >= 0 ? entry : trace.model.groups.members[trace.model.groups.first[-1 - entry]];
  const anchor = await trace.details.need(row);
  const offset = grid.cursor - grid.top;
  trace.adopt(await outline(`${trace.api}/outline`, () => {}));
  const given = await trace.restore({ isFirst: false });
  const id = anchor.sort === SPAN ? anchor.spanId : `#${anchor.rowId}`;
  const [now] = anchor.sort === SPAN || anchor.sort === LOG ? await trace.seek({ ids: id }) : [];
  grid.cursor = now === undefined ? 0 : trace.indexOfNearest(now);
  grid.measure();
  trace.state.selected = given.row ?? -1;
  grid.refresh();
  grid.scrollTo(grid.cursor - offset);
  trace.strip = new Strip(document.getElementById("strip"), trace, grid.bars);
  trace.strip.refresh();
  if (trace.found !== null) await trace.find(given.q, { go: false });
  say("");
}

function loaded() {
  const address = `/api${root.dataset.href}/outline?${new URLSearchParams({ outline: root.dataset.outline })}`;
  return outline(address, ({ rows, of }) => of > 100_000 && say(`${count(rows)} of ${count(of)} rows are here`));
}

async function waterfall() {
  const trace = new Trace(await loaded());
  trace.detailsBeside = new Details(trace);
  trace.changed = () => drawSwitches(trace);
  const given = await trace.restore({ isFirst: true });
  document.getElementById("paging")?.remove();
  trace.grid = new Grid(document.getElementById("rows"), trace);
  const strip = document.getElementById("strip");
  trace.strip = strip === null ? undefined : new Strip(strip, trace, trace.grid.bars);
  trace.strip?.refresh();
  say("");
  keys(trace);
  follow(trace);
  window.addEventListener("resize", () => trace.grid.measure());
  await trace.resume(given);
  watchGrowth(trace);
}

async function flame() {
  const { Flame } = await import("./trace-flame.js");
  const trace = new Trace(await loaded());
  await trace.restore({ isFirst: true });
  new Flame(document.getElementById("rows"), trace);
  say("");
  listen({ v: nextView });
}

async function begin() {
  keepInViews();
  explain();
  const { view } = root.dataset;
  if (view === "waterfall") await waterfall();
  else if (view === "flame") await flame();
  else listen({ v: nextView });
  root.dataset.ready = "true";
  performance.measure("trace-open", { start: 0 });
}

begin().catch((error) => say(`All rows could not be shown: ${error.message}`));
