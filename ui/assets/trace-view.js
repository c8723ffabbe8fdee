// A trace in view: its rows, what the reader did to them, and the parts of the page that show it. What the reader sees is
// kept in the address.

import { ask } from "./main.js";
import { FOLDS_MAX, readFolds, readZoom, withParameters, writeFolds, writeZoom } from "./trace-address.js";
import { findHere } from "./trace-find.js";
import { count, counted } from "./trace-format.js";
import { element } from "./trace-grid.js";
import { shownRows, withAncestors } from "./trace-model.js";
import { EVENT, FAILED, GAP, LOG, REPEATED, SPAN, sortOf } from "./trace-outline.js";
import { Rows } from "./trace-rows.js";

/** How long the address waits for the last of many small changes. */
const ADDRESS_WAIT_MS = 250;
/** The narrowest window of time, in nanoseconds. */
const WINDOW_MIN = 10;

const root = document.getElementById("trace");
const news = document.getElementById("news");

/** The parameters of the address as it is now. */
export const parameters = () => new URL(location.href).searchParams;

/** Says something about the page, until it is said otherwise. */
export function say(text) {
  news.hidden = text === "";
  news.textContent = text;
}

/** A trace in view: its model, what the reader did to it, and the parts of the page that show it. */
export class Trace {
  href = root.dataset.href;
  sprite = root.dataset.icons;
  /** Called when something that a switch shows has changed. */
  changed = () => {};
  /** Which rows are shown, in order: a row, or -1 - g for a group. */
  shown = new Int32Array(0);
  count = 0;
  /** Rows that match, in order; null while nothing is sought. */
  found = null;
  #waiting = 0;

  constructor(model) {
    this.adopt(model);
  }

  /** Takes a model, with nothing folded yet. */
  adopt(model) {
    this.model = model;
    const { rows, groups } = model;
    this.shown = new Int32Array(rows + groups.p95.length);
    this.details = new Rows(this.api, model, (error) => (error === undefined ? this.grid?.refresh() : say(`Rows in view are not complete: ${error.message}`)));
    this.state = {
      folded: new Uint8Array(rows),
      open: new Uint8Array(groups.p95.length),
      marks: true,
      critical: true,
      alone: false,
      kept: null,
      matches: null,
      selected: -1,
      zoom: null,
    };
  }

  get api() {
    return `/api${this.href}`;
  }

  /** Asks the API about this outline. */
  async ask(question, given) {
    const answer = await ask(`${this.api}/${question}?${new URLSearchParams({ outline: this.model.head.outline, ...given })}`);
    const said = await answer.json().catch(() => ({}));
    if (!answer.ok) throw Object.assign(new Error(said.error?.message ?? `${question} was answered ${answer.status}`), { status: answer.status });
    return said;
  }

  /** Rows by a search or by ids. @returns {Promise<Uint32Array>} */
  async seek(given) {
    const { steps } = await this.ask("find", given);
    const rows = Uint32Array.from(steps);
    for (let at = 1; at < rows.length; at += 1) rows[at] += rows[at - 1];
    return rows;
  }

  // What rows are called.

  idOf(row) {
    const detail = this.details.get(row);
    if (detail === undefined) return `r-${row}`;
    return (this.model.flags[row] & REPEATED) === 0 ? detail.id : `${detail.id}-${row}`;
  }

  /** Whether a row stands under the row of its group. */
  isMember(row) {
    return this.state.kept === null && this.model.groups.of[row] >= 0;
  }

  /** How many levels a row stands deeper because of groups. */
  levelsOf(row) {
    return this.state.kept === null ? this.model.inGroups[row] : 0;
  }

  // What is shown.

  /** Works out which rows are shown; the row at the cursor stays where it is seen. */
  arrange() {
    const entry = this.shown[this.grid?.cursor ?? 0];
    const offset = this.grid === undefined ? 0 : this.grid.cursor - this.grid.top;
    this.count = shownRows(this.model, this.state, this.shown);
    if (this.grid === undefined) return;
    let index = this.indexOf(entry);
    if (index < 0 && entry >= 0) index = this.indexOfNearest(entry);
    if (index >= 0) {
      this.grid.cursor = index;
      this.grid.refresh();
      this.grid.scrollTo(index - offset);
    }
    this.grid.measure();
  }

  indexOf(entry) {
    return this.shown.subarray(0, this.count).indexOf(entry);
  }

  /** The index of a row, or of what it is folded into. */
  indexOfNearest(row) {
    for (let at = row; at >= 0; at = this.model.parent[at]) {
      const index = this.indexOf(at);
      if (index >= 0) return index;
      const group = this.model.groups.of[at];
      const ofGroup = group < 0 ? -1 : this.indexOf(-1 - group);
      if (ofGroup >= 0) return ofGroup;
    }
    return 0;
  }

  /** The window of time for rows in view. */
  windowOf(first, last) {
    const whole = Math.max(1, this.model.head.duration_ns);
    const { zoom } = this.state;
    if (zoom === "all") return [0, whole];
    if (zoom !== null) return zoom;
    const { start, duration, groups } = this.model;
    let from = Infinity;
    let to = -Infinity;
    const take = (row) => {
      from = Math.min(from, start[row]);
      to = Math.max(to, start[row] + Math.max(0, duration[row]));
    };
    for (let index = first; index < last; index += 1) {
      const entry = this.shown[index];
      if (entry >= 0) {
        if (sortOf(this.model.flags[entry]) !== GAP) take(entry);
      } else {
        take(groups.members[groups.first[-1 - entry]]);
        take(groups.members[groups.first[-entry] - 1]);
      }
    }
    if (!(to >= from)) return [0, whole];
    const margin = Math.max((to - from) * 0.01, WINDOW_MIN);
    return [Math.max(0, from - margin), Math.min(whole, to + margin)];
  }

  /** The rows in view have changed. */
  moved(first, last) {
    this.strip?.draw(this.grid.window);
    const wanted = [];
    for (let index = first; index < last; index += 1) {
      const entry = this.shown[index];
      wanted.push(entry >= 0 ? entry : this.model.groups.members[this.model.groups.first[-1 - entry]]);
    }
    this.details.want(wanted);
  }

  // What the reader does.

  /** Folds or unfolds the row at an index. */
  fold(index, isOpen) {
    const begun = performance.now();
    const entry = this.shown[index];
    if (entry < 0) this.state.open[-1 - entry] = (isOpen ?? this.state.open[-1 - entry] === 0) ? 1 : 0;
    else if (this.model.size[entry] > 1) this.state.folded[entry] = (isOpen ?? this.state.folded[entry] !== 0) ? 0 : 1;
    this.grid.cursor = index;
    this.arrange();
    this.remember();
    performance.measure("trace-fold", { start: begun });
  }

  /** Unfolds what hides a row, and goes there. */
  goTo(row, focus = true) {
    const { parent, groups, flags } = this.model;
    let hides = false;
    for (let at = row; at >= 0; at = parent[at]) {
      if (at !== row && this.state.folded[at] !== 0) hides = true;
      if (at !== row) this.state.folded[at] = 0;
      if (groups.of[at] >= 0 && this.state.open[groups.of[at]] === 0) {
        this.state.open[groups.of[at]] = 1;
        hides = true;
      }
    }
    const sort = sortOf(flags[row]);
    if (!this.state.marks && (sort === LOG || sort === EVENT)) hides = this.state.marks = true;
    if (this.state.kept !== null && this.state.kept[row] === 0) this.showAlone(false);
    if (hides) {
      this.count = shownRows(this.model, this.state, this.shown);
      this.grid.refresh();
      this.grid.measure();
      this.remember();
      this.changed();
    }
    this.grid.go(this.indexOf(row), focus);
  }

  /** Shows a row's details and puts it into the address. */
  async select(row, history_ = "push") {
    if (row !== null && sortOf(this.model.flags[row]) === GAP) return;
    this.state.selected = row ?? -1;
    this.grid.refresh();
    try {
      await this.detailsBeside.show(row);
      const detail = row === null ? undefined : await this.details.need(row);
      if (history_ !== "none") this.#record(detail, history_);
    } catch (error) {
      say(error.message);
    }
    this.grid.measure();
  }

  #record(detail, way) {
    const log = detail?.sort === LOG ? detail.rowId : "";
    const address = withParameters({ span: log === "" ? detail?.spanId : "", log });
    address.hash = "";
    if (address.href === location.href) return;
    if (way === "push") history.pushState(null, "", address);
    else history.replaceState(null, "", address);
  }

  /** Zooms to a range; null follows the rows, "all" is the whole. */
  zoom(range) {
    const whole = this.model.head.duration_ns;
    if (Array.isArray(range)) {
      const middle = (range[0] + range[1]) / 2;
      const length = Math.max(range[1] - range[0], WINDOW_MIN);
      const from = Math.max(0, Math.min(whole - length, middle - length / 2));
      range = length >= whole ? "all" : [from, Math.min(whole, from + length)];
    }
    this.state.zoom = range;
    this.grid.draw();
    this.remember();
    this.changed();
  }

  /** Zooms by a factor around the middle, or moves by a share of the window. */
  zoomBy(factor, move = 0) {
    const [from, to] = this.grid.window;
    const [middle, half] = [(from + to) / 2 + move * (to - from), ((to - from) / 2) * factor];
    this.zoom([middle - half, middle + half]);
  }

  /** Seeks, and marks what matches; an empty search ends it. */
  async find(q, { go = true } = {}) {
    const begun = performance.now();
    const said = document.getElementById("found");
    const address = withParameters({ find: q });
    if (address.href !== location.href) history.pushState(null, "", address);
    if (q === "") {
      this.found = null;
      this.#match(null);
      said.textContent = "";
      return;
    }
    said.textContent = "…";
    try {
      this.found = findHere(this.model, q) ?? (await this.seek({ q }));
      said.textContent = counted(this.found.length, "match").replace(/matchs$/, "matches");
    } catch (error) {
      this.found = null;
      said.replaceChildren(Object.assign(element("span", "bad"), { textContent: error.message }));
    }
    this.#match(this.found);
    if (go && this.found !== null && this.found.length > 0) this.step(this.found, 1, true);
    performance.measure("trace-find", { start: begun });
  }

  #match(rows) {
    this.state.matches = null;
    if (rows !== null) {
      this.state.matches = new Uint8Array(this.model.rows);
      for (const row of rows) this.state.matches[row] = 1;
    }
    this.showAlone(this.state.alone);
    this.strip?.found(rows);
    this.changed();
  }

  /** Shows all rows, or only those that match with what is above them. */
  showAlone(alone) {
    const before = this.state.kept;
    this.state.alone = alone;
    this.state.kept = alone && this.state.matches !== null ? withAncestors(this.state.matches, this.model.parent) : null;
    if (before !== null || this.state.kept !== null) this.arrange();
    else this.grid.refresh();
    this.remember();
  }

  /** Goes to the next of some rows, or the one before. */
  step(rows, way, isFirst = false) {
    if (rows.length === 0) return;
    const entry = this.shown[this.grid.cursor] ?? 0;
    const at = entry >= 0 ? entry : this.model.groups.members[this.model.groups.first[-1 - entry]];
    let low = 0;
    for (let high = rows.length; low < high; ) {
      const middle = (low + high) >> 1;
      if (rows[middle] < at || (rows[middle] === at && way > 0 && !isFirst && entry >= 0)) low = middle + 1;
      else high = middle;
    }
    const place = (way > 0 ? low : low - 1 + rows.length) % rows.length;
    this.goTo(rows[place], !isFirst);
    document.getElementById("found").textContent = rows === this.found ? `${count(place + 1)} of ${count(rows.length)}` : document.getElementById("found").textContent;
  }

  /** Goes to the next row that failed, or the one before. */
  stepError(way) {
    const { flags, rows } = this.model;
    const entry = this.shown[this.grid.cursor] ?? 0;
    const at = entry >= 0 ? entry : this.model.groups.members[this.model.groups.first[-1 - entry]];
    for (let step = 1; step <= rows; step += 1) {
      const row = (at + way * step + rows * 2) % rows;
      if ((flags[row] & FAILED) !== 0 && (sortOf(flags[row]) === SPAN || this.state.marks)) return this.goTo(row);
    }
    say("no row of this trace failed");
  }

  toggle(name) {
    if (name === "alone") this.showAlone(!this.state.alone);
    else this.state[name] = !this.state[name];
    if (name === "marks") this.arrange();
    this.grid.draw();
    this.strip?.refresh();
    this.remember();
    this.changed();
  }

  // The address.

  /** Puts zoom and folds into the address, once they rest. */
  remember() {
    clearTimeout(this.#waiting);
    this.#waiting = setTimeout(async () => {
      const { folded, open, marks, critical, alone } = this.state;
      const rows = [];
      for (let row = 0; row < folded.length; row += 1) if (folded[row] !== 0) rows.push(row);
      const groups = [];
      for (let group = 0; group < open.length; group += 1) if (open[group] !== 0) groups.push(this.model.groups.members[this.model.groups.first[group]]);
      const ids = async (list) => {
        // What nobody can tell the id of now stays out of the address.
        const known = await this.details.needAll(list.slice(-FOLDS_MAX)).catch(() => []);
        return known.map((detail) => detail.spanId).filter(Boolean);
      };
      const folds = { folded: await ids(rows), open: await ids(groups), marks, critical, alone };
      history.replaceState(null, "", withParameters({ z: writeZoom(this.state.zoom), fold: writeFolds(folds) }));
    }, ADDRESS_WAIT_MS);
  }

  /** Takes everything from the address: at the beginning, and after going back. */
  async restore({ isFirst }) {
    const given = parameters();
    const folds = readFolds(given.get("fold"));
    const { state, model } = this;
    Object.assign(state, { zoom: readZoom(given.get("z")), marks: folds.marks, critical: folds.critical, alone: folds.alone });
    state.folded.fill(0);
    state.open.fill(0);
    // What cannot be an id is not among the rows either.
    const none = (error) => {
      if (error.status !== 400) throw error;
      return [];
    };
    const rowsOf = async (ids) => (ids.length === 0 ? [] : this.seek({ ids: ids.join(",") }).catch(none));
    for (const row of await rowsOf(folds.folded)) state.folded[row] = 1;
    for (const row of await rowsOf(folds.open)) if (model.groups.of[row] >= 0) state.open[model.groups.of[row]] = 1;
    this.count = shownRows(model, state, this.shown);
    const id = given.get("span") ?? (given.has("log") ? `#${given.get("log")}` : null);
    const [row] = id === null ? [] : await rowsOf([id]);
    return { row: row ?? null, q: given.get("find") ?? "", isFirst };
  }

  /** Does what the address said once the rows are there. */
  async resume({ row, q, isFirst }) {
    const input = document.getElementById("q");
    if (input.value !== q) input.value = q;
    const shownRow = Number(document.getElementById("detail")?.dataset.row ?? -1);
    this.state.selected = row ?? -1;
    if (!isFirst || shownRow !== (row ?? -1)) await this.detailsBeside.show(row);
    else if (row !== null) this.detailsBeside.enrich(document.getElementById("detail"));
    this.grid.measure();
    if (row !== null) this.goTo(row, false);
    if (q !== "" || this.found !== null) await this.find(q, { go: row === null });
    this.changed();
  }
}
