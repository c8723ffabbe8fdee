// What script adds to the search page: completion, a box in the histogram, rows that open in place, columns that can be
// dragged wider, answers that come piece by piece, and the live tail. All of it is there without script too, but for the
// tail. Fragments are the server's own, escaped there; they are parsed and never run.

import { ask, enhance, say } from "./main.js";
import "./query-bar.js";
import "./box.js";
import { liveTail } from "./tail.js";

const NARROWEST_PX = 40;
const WIDEST_PX = 1600;

/** The elements of a fragment of the server's. @param {string} html */
function parsed(html) {
  const template = document.createElement("template");
  template.innerHTML = html;
  return template.content;
}

/** The parameters that the page shows. */
let shown = location.search;

/** Puts a parameter into the address without a step of history. */
function note(name, value) {
  const here = new URL(location.href);
  if (value === null) here.searchParams.delete(name);
  else here.searchParams.set(name, value);
  here.hash = location.hash === "#live" ? "live" : "";
  history.replaceState(history.state, "", here);
  shown = location.search;
}

// Rows that open in place.

function shut(row) {
  const link = row.querySelector("[data-open]");
  link.setAttribute("aria-expanded", "false");
  if (row.nextElementSibling?.classList.contains("opened-row")) row.nextElementSibling.remove();
  note("open", null);
  return link;
}

/** Asks for a row, open as an address says, and puts it below its line. */
async function unfold(row, href) {
  const address = new URL(href, location.href);
  const open = address.searchParams.get("open");
  address.pathname = "/search/row";
  const link = row.querySelector("[data-open]");
  link.setAttribute("aria-expanded", "true");
  let answer;
  let html;
  try {
    answer = await ask(address);
    html = await answer.text();
  } catch (error) {
    link.setAttribute("aria-expanded", String(row.nextElementSibling?.classList.contains("opened-row") === true));
    return say(`This row cannot be opened: ${error.message}`);
  }
  // What went wrong is a page of its own.
  if (!answer.ok || !html.startsWith("<div")) return location.assign(href);
  if (row.nextElementSibling?.classList.contains("opened-row")) row.nextElementSibling.remove();
  const below = document.createElement("tr");
  below.className = "opened-row";
  const cell = below.insertCell();
  cell.colSpan = row.cells.length;
  cell.append(parsed(html));
  row.after(below);
  enhance(below);
  note("open", open);
}

/** The address that opens a row: its link leads to the closed page while it is open. */
function opening(row, link) {
  const address = new URL(link.href);
  if (!address.searchParams.has("open")) {
    const opened = row.nextElementSibling?.querySelector("[data-context]");
    return opened?.href ?? address.href;
  }
  return address.href;
}

function onClick(event) {
  if (event.defaultPrevented || event.button !== 0 || event.ctrlKey || event.metaKey || event.shiftKey) return;
  const toggle = event.target.closest("[data-open]");
  if (toggle !== null && toggle.closest("tbody") !== null) {
    event.preventDefault();
    const row = toggle.closest("tr");
    if (toggle.getAttribute("aria-expanded") === "true") shut(row);
    else unfold(row, opening(row, toggle));
    return;
  }
  const inside = event.target.closest(".opened-row [data-context], .opened-row [data-shut]");
  if (inside === null) return;
  event.preventDefault();
  const row = inside.closest(".opened-row").previousElementSibling;
  if (inside.hasAttribute("data-shut")) shut(row).focus();
  else unfold(row, inside.href);
}

// Columns that can be dragged wider.

function grips(table) {
  const heads = [...table.tHead.rows[0].cells];
  const cols = [...table.querySelectorAll("col")];
  heads.forEach((head, at) => {
    if (head.dataset.key === undefined || at === heads.length - 1) return;
    const grip = document.createElement("span");
    grip.className = "grip";
    grip.addEventListener("pointerdown", (event) => widen(event, table, head, cols[at]));
    head.append(grip);
  });
}

function widen(event, table, head, col) {
  event.preventDefault();
  const begun = event.clientX;
  const before = head.getBoundingClientRect().width;
  const move = (moved) => {
    const width = Math.round(Math.min(WIDEST_PX, Math.max(NARROWEST_PX, before + moved.clientX - begun)));
    col.setAttribute("width", String(width));
    col.dataset.chosen = String(width);
  };
  const end = () => {
    removeEventListener("pointermove", move);
    removeEventListener("pointerup", end);
    note("cols", columns(table));
  };
  addEventListener("pointermove", move);
  addEventListener("pointerup", end);
}

/** The columns of a table as the address has them, those that were there keep their widths. */
function columns(table) {
  const known = new Map();
  for (const part of (new URL(location.href).searchParams.get("cols") ?? "").split(",")) {
    const width = /^(.*):(\d+)$/.exec(part);
    if (width !== null) known.set(width[1], width[2]);
  }
  const cols = [...table.querySelectorAll("col")];
  const heads = [...table.tHead.rows[0].cells];
  const parts = heads.map((head, at) => [head.dataset.key, cols[at].dataset.chosen ?? known.get(head.dataset.key)]);
  const named = parts.filter(([key]) => key !== undefined);
  return named.map(([key, width]) => (width === undefined ? key : `${key}:${width}`)).join(",");
}

// Answers piece by piece.

class Results extends HTMLElement {
  connectedCallback() {
    this.stop = new AbortController();
    this.parts = new Map([...this.querySelectorAll("[data-part]")].map((part) => [part.dataset.part, part]));
    this.button = this.querySelector("[data-stop]");
    this.button.addEventListener("click", () => this.stop.abort());
    this.run();
  }

  disconnectedCallback() {
    this.stop.abort();
  }

  async run() {
    try {
      const answer = await fetch(this.dataset.pieces, { signal: this.stop.signal });
      if (!answer.ok) return this.end("the program did not answer; reload to try again");
      for await (const line of lines(answer.body)) {
        if (line.error !== undefined) return this.end(line.error);
        this.show(line);
        if (line.ended) return this.end(line.partial);
      }
      this.end("the answer ended early; reload to try again");
    } catch (error) {
      this.end(error.name === "AbortError" ? "stopped" : "the program went away; reload to try again");
    }
  }

  show(line) {
    const rows = parsed(line.rows);
    this.querySelector("tbody").append(rows);
    // A box that somebody is dragging is not taken away.
    const timeline = this.parts.get("timeline");
    if (!timeline.contains(document.activeElement) && timeline.querySelector(".box-acts:not([hidden])") === null) {
      timeline.replaceChildren(parsed(line.timeline));
    }
    const facets = this.parts.get("facets");
    if (!facets.contains(document.activeElement)) facets.replaceChildren(parsed(line.facets));
    this.parts.get("summary").textContent = line.summary;
    this.parts.get("progress").textContent = line.progress;
    this.last = line;
  }

  /** Says how it ended: nothing to say is the whole answer. */
  end(reason) {
    this.button.hidden = true;
    this.querySelector(".progress-line .pulse").hidden = true;
    const isWhole = reason === null || reason === undefined;
    this.querySelector(".progress-line a").hidden = isWhole && this.last?.found > 0;
    const badge = this.parts.get("partial");
    badge.hidden = isWhole;
    badge.textContent = isWhole ? "" : `partial: ${reason}`;
    // The page that waits also says why nothing was found.
    if (isWhole && this.last?.found === 0) location.replace(this.querySelector(".progress-line a").href);
    if (typeof this.last?.older === "string") {
      const older = document.createElement("a");
      older.className = "button";
      older.rel = "next";
      older.href = this.last.older;
      older.textContent = "Older";
      this.parts.get("paging").replaceChildren(older);
    }
  }
}

/** The lines of an answer, read as JSON. */
async function* lines(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const whole = (rest + value).split("\n");
    rest = whole.pop();
    for (const line of whole) yield JSON.parse(line);
  }
}

document.addEventListener("click", onClick);
document.querySelectorAll("table.found-rows").forEach(grips);
customElements.define("causeway-results", Results);
// Steps of history that were made here changed the address and not the page.
document.addEventListener("causeway-address", () => (shown = location.search));
addEventListener("popstate", () => location.search !== shown && location.reload());
const live = document.querySelector("[data-live]");
if (live !== null) liveTail(live);
