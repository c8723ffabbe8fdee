// The rows of the waterfall: some fifty elements that are filled again as rows come into view, and a canvas with their
// bars beside. Positions are mapped where the rows are higher than browsers let a page be.

import { Bars } from "./trace-bars.js";
import { counted, duration, offset, ticks } from "./trace-format.js";
import { EVENT, FAILED, EARLY, GAP, LOG, REPEATED, SPAN, levelOf, sortOf } from "./trace-outline.js";

/** The highest that a page's content is made, in pixels; browsers end between 17 and 33 million. */
const HEIGHT_MAX = 8_000_000;
/** Rows kept besides those in view. */
const SPARE_ROWS = 8;
/** How many levels are indented; what is deeper says its depth. */
const LEVELS_MAX = 16;
const LEVEL_WIDTH = 14;
/** From how many pixels on a pointer that moved has drawn a range. */
const DRAG_MIN = 5;
/** What a character of a label of the axis needs, in pixels. */
const LABEL_WIDTH = 6.5;
const LEVELS = ["none", "trace", "debug", "info", "warn", "error", "fatal"];

/** An element with classes and attributes. */
export function element(name, className = "", attributes = {}) {
  const node = document.createElement(name);
  if (className !== "") node.className = className;
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  return node;
}

/** A picture of the sprite. */
export function icon(sprite, name) {
  const SVG = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS(SVG, "use");
  use.setAttribute("href", `${sprite}#${name}`);
  svg.append(use);
  return svg;
}

/** One element of the pool, and its parts. */
function rowElement(sprite) {
  const row = element("div", "grid-row", { role: "row" });
  const name = element("div", "name", { role: "rowheader" });
  const indent = element("span", "indent");
  const fold = element("span", "fold", { "data-fold": "", "aria-hidden": "true" });
  const depth = element("span", "deep");
  const chip = element("span", "chip");
  const level = element("span", "level");
  const link = element("a", "", { "data-row": "", tabindex: "-1" });
  const service = element("span", "service");
  // A name in another direction does not turn what stands beside it.
  const words = element("bdi");
  const text = document.createTextNode("");
  words.append(text);
  link.append(service, " ", words);
  const flag = element("span", "flag");
  const flagIcons = { error: icon(sprite, "error"), warn: icon(sprite, "warn"), gap: icon(sprite, "gap") };
  const flagText = document.createTextNode("");
  flag.append(flagText);
  const tally = element("span", "tally");
  name.append(indent, fold, depth, chip, level, link, flag, tally);
  const when = element("div", "n when", { role: "gridcell" });
  const line = element("div", "line", { role: "gridcell" });
  row.append(name, when, line);
  return { row, indent, fold, depth, chip, level, link, service, text, flag, flagIcons, flagText, tally, when, entry: null, at: -1, stamp: -1 };
}

export class Grid {
  /** First row in view, in rows and parts of one. */
  #top = 0;
  #pool = [];
  #stamp = 0;
  #frame = 0;
  /** What the scroll bar was set to by this code. */
  #set = -1;
  /** The window of time that is drawn. */
  window = [0, 1];
  /** Index of the row that keys act on. */
  cursor = 0;
  /** Whether the row of the cursor should have the focus. */
  #focus = false;

  /**
   * @param {HTMLElement} host
   * @param {object} trace what is shown: model, state, details, and what happens at `select`, `fold`, `zoom`, `moved`
   */
  constructor(host, trace) {
    this.trace = trace;
    this.sprite = trace.sprite;
    this.root = element("div", "grid", { role: "treegrid", "aria-label": "Spans, logs and events", "aria-readonly": "true" });
    this.#makeHead();
    this.scroller = element("div", "grid-scroll", { role: "rowgroup", tabindex: "-1" });
    this.layer = element("div", "grid-layer", { role: "presentation" });
    this.space = element("div", "grid-space", { role: "presentation" });
    this.canvas = element("canvas", "grid-canvas", { "aria-hidden": "true" });
    this.layer.append(this.canvas);
    this.scroller.append(this.layer, this.space);
    this.root.append(this.head, this.scroller);
    host.replaceChildren(this.root);
    this.bars = new Bars(this.canvas, trace);
    this.#listen();
    this.measure();
  }

  #makeHead() {
    this.head = element("div", "grid-row grid-head", { role: "row", "aria-rowindex": "1" });
    const name = element("div", "name", { role: "columnheader" });
    name.append("Span, log or event");
    const when = element("div", "n when", { role: "columnheader" });
    when.append("Time");
    this.axis = element("div", "line axis", { role: "columnheader" });
    const label = element("span", "vh");
    label.append("Place in the trace");
    this.axisLabels = element("span", "axis-labels", { "aria-hidden": "true" });
    this.axis.append(label, this.axisLabels);
    this.head.append(name, when, this.axis);
  }

  /** Takes sizes from the page: height of a row, room for rows. */
  measure() {
    const row = getComputedStyle(document.documentElement).getPropertyValue("--row");
    this.rowHeight = Number.parseFloat(row) || 24;
    const above = this.scroller.getBoundingClientRect().top + window.scrollY;
    const room = Math.max(10 * this.rowHeight, window.innerHeight - Math.min(above, window.innerHeight / 2) - 20);
    const content = Math.min(this.trace.count, 100_000) * this.rowHeight;
    this.scroller.style.height = `${Math.min(Math.max(content, this.rowHeight), room)}px`;
    this.view = this.scroller.clientHeight;
    this.bars.measure(this.axis.clientWidth, this.view);
    this.refresh();
  }

  /** Draws everything again: rows, names or sizes have changed. */
  refresh() {
    this.#stamp += 1;
    const height = this.trace.count * this.rowHeight;
    this.scale = Math.max(1, (height - this.view) / Math.max(1, HEIGHT_MAX - this.view));
    this.space.style.height = `${Math.min(height, HEIGHT_MAX)}px`;
    this.root.setAttribute("aria-rowcount", String(this.trace.count + 1));
    this.#top = Math.max(0, Math.min(this.#top, this.#topMax()));
    this.cursor = Math.max(0, Math.min(this.cursor, this.trace.count - 1));
    this.#putScroll();
    this.draw();
  }

  #topMax() {
    return Math.max(0, this.trace.count - this.view / this.rowHeight);
  }

  #putScroll() {
    this.#set = Math.round((this.#top * this.rowHeight) / this.scale);
    this.scroller.scrollTop = this.#set;
  }

  get top() {
    return this.#top;
  }

  /** Brings a row to the top of the view. */
  scrollTo(top) {
    this.#top = Math.max(0, Math.min(top, this.#topMax()));
    this.#putScroll();
    this.soon();
  }

  /** Brings an index into view, in the middle if it is far away. */
  show(index) {
    const rows = Math.floor(this.view / this.rowHeight);
    if (index >= Math.ceil(this.#top) && index < Math.floor(this.#top) + rows) return;
    const near = index < this.#top ? this.#top - index < rows : index - this.#top < 2 * rows;
    if (near) this.scrollTo(index < this.#top ? index : index - rows + 1);
    else this.scrollTo(index - Math.floor(rows / 2));
  }

  /** Moves the cursor, brings it into view and gives it the focus. */
  go(index, focus = true) {
    this.cursor = Math.max(0, Math.min(index, this.trace.count - 1));
    this.#focus = focus;
    this.show(this.cursor);
    this.draw();
  }

  soon() {
    if (this.#frame === 0) this.#frame = requestAnimationFrame(() => this.draw());
  }

  /** Fills the rows in view, and draws their bars. */
  draw() {
    cancelAnimationFrame(this.#frame);
    this.#frame = 0;
    const first = Math.floor(this.#top);
    const last = Math.min(this.trace.count, Math.ceil(this.#top + this.view / this.rowHeight) + 1);
    this.#grow(last - first);
    for (const item of this.#pool) {
      const at = item.at;
      if (at < first || at >= last) this.#hide(item);
    }
    for (let index = first; index < last; index += 1) this.#place(index);
    this.#keepFocus(first, last);
    this.range = [first, last];
    this.window = this.trace.windowOf(first, last);
    this.#drawAxis();
    this.bars.draw(first, last, this.#top, this.rowHeight, this.window, this.cursor);
    this.trace.moved(first, last);
  }

  #grow(rows) {
    while (this.#pool.length < rows + SPARE_ROWS) {
      const item = rowElement(this.sprite);
      item.row.hidden = true;
      this.#pool.push(item);
      this.layer.append(item.row);
      // Places are by index and size of the pool; another size is another place.
      this.#stamp += 1;
      for (const each of this.#pool) each.at = -1;
    }
  }

  #place(index) {
    const item = this.#pool[index % this.#pool.length];
    item.row.style.transform = `translateY(${Math.round((index - this.#top) * this.rowHeight)}px)`;
    const entry = this.trace.shown[index];
    const isSame = item.at === index && item.entry === entry && item.stamp === this.#stamp;
    item.row.hidden = false;
    if (!isSame) {
      item.at = index;
      item.entry = entry;
      item.stamp = this.#stamp;
      item.row.setAttribute("aria-rowindex", String(index + 2));
      if (entry < 0) this.#fillGroup(item, -1 - entry);
      else this.#fillRow(item, entry);
    }
    const isCursor = index === this.cursor;
    if (item.isCursor !== isCursor) {
      item.isCursor = isCursor;
      item.row.classList.toggle("cursor", isCursor);
      item.link.tabIndex = isCursor ? 0 : -1;
    }
  }

  #fillRow(item, row) {
    const { model, state, details } = this.trace;
    const flags = model.flags[row];
    const sort = sortOf(flags);
    const failed = (flags & FAILED) !== 0;
    const detail = details.get(row);
    const name = model.names[model.name[row]];
    const service = model.services[model.service[row]];
    const below = model.size[row] - 1;
    let className = `grid-row ${sort === SPAN ? "span" : sort === GAP ? "gap" : "mark"}`;
    if (failed && sort === SPAN) className += " failed";
    if (sort === LOG) className += ` lv-${LEVELS[levelOf(flags)]}`;
    if (sort === EVENT) className += failed ? " lv-error" : " lv-none";
    if (state.matches !== null) className += state.matches[row] !== 0 ? " match" : " dim";
    item.row.className = className;
    item.isCursor = undefined;
    item.row.id = this.trace.idOf(row);
    this.#indent(item, model.depth[row] + this.trace.levelsOf(row));
    this.#foldable(item, below > 0, state.folded[row] === 0);
    this.#selected(item, state.selected === row);
    item.chip.hidden = sort !== SPAN;
    item.chip.className = `chip c${model.colour[model.service[row]]}`;
    item.level.hidden = sort === SPAN || sort === GAP;
    item.level.textContent = sort === EVENT ? "event" : detail?.level ?? LEVELS[levelOf(flags)];
    item.service.hidden = sort !== SPAN;
    item.service.textContent = sort === SPAN ? service : "";
    item.text.data = sort === SPAN ? name : detail?.text ?? (sort === EVENT ? name : "…");
    item.link.toggleAttribute("data-error", failed);
    if (detail?.href) item.link.setAttribute("href", detail.href);
    else item.link.setAttribute("href", `#${item.row.id}`);
    this.#note(item, flags, sort, row, detail);
    item.tally.hidden = !(below > 0 && state.folded[row] !== 0);
    item.tally.textContent = item.tally.hidden ? "" : `${counted(below, "row")} folded`;
    item.when.textContent = sort === SPAN ? duration(model.duration[row]) : sort === GAP ? "" : offset(model.start[row]);
    item.when.title = sort === SPAN ? `begins at ${offset(model.start[row])}` : "";
  }

  #note(item, flags, sort, row, detail) {
    const { model } = this.trace;
    const notes = [];
    if (sort === SPAN && model.duration[row] < 0) notes.push("ends before it begins");
    if ((flags & EARLY) !== 0) notes.push("begins before its parent");
    if ((flags & REPEATED) !== 0) notes.push("repeats an id");
    const failed = sort === SPAN && (flags & FAILED) !== 0;
    this.#flag(item, failed ? "error" : notes.length > 0 ? "warn" : "", failed ? "failed" : notes.join(", "));
    item.flag.title = failed ? [detail?.message, ...notes].filter(Boolean).join("; ") : "";
  }

  #flag(item, picture, text) {
    item.flag.hidden = picture === "";
    if (picture === "") return;
    item.flag.className = picture === "error" ? "flag" : "flag warn";
    item.flag.replaceChildren(item.flagIcons[picture], item.flagText);
    item.flagText.data = text;
  }

  #fillGroup(item, group) {
    const { model, state } = this.trace;
    const { members, first, total, p95, failed, serial } = model.groups;
    const row = members[first[group]];
    const count = first[group + 1] - first[group];
    let found = 0;
    if (state.matches !== null) for (let at = first[group]; at < first[group + 1]; at += 1) found += state.matches[members[at]];
    item.row.className = `grid-row span group${failed[group] > 0 ? " failed" : ""}${state.matches === null ? "" : found > 0 ? " match" : " dim"}`;
    item.isCursor = undefined;
    item.row.id = `g-${group}`;
    this.#indent(item, model.depth[row] + this.trace.levelsOf(row) - 1);
    this.#foldable(item, true, state.open[group] !== 0);
    this.#selected(item, false);
    item.chip.hidden = false;
    item.chip.className = `chip c${model.colour[model.service[row]]}`;
    item.level.hidden = true;
    item.service.hidden = false;
    item.service.textContent = model.services[model.service[row]];
    item.text.data = model.names[model.name[row]];
    item.link.toggleAttribute("data-error", failed[group] > 0);
    item.link.setAttribute("href", `#g-${group}`);
    this.#flag(item, failed[group] > 0 ? "error" : "", `${failed[group]} failed`);
    item.flag.title = "";
    item.tally.hidden = false;
    const order = serial[group] === 1 ? ", one after another" : "";
    item.tally.textContent = `× ${count.toLocaleString("en")}, p95 ${duration(p95[group])}${order}${found > 0 ? `, ${found} found` : ""}`;
    item.when.textContent = duration(total[group]);
    item.when.title = "total of all of them";
  }

  #indent(item, depth) {
    item.indent.style.width = `${Math.min(depth, LEVELS_MAX) * LEVEL_WIDTH}px`;
    item.depth.textContent = depth > LEVELS_MAX ? `·${depth + 1}` : "";
    item.row.setAttribute("aria-level", String(depth + 1));
  }

  #foldable(item, isFoldable, isOpen) {
    item.fold.textContent = isFoldable ? (isOpen ? "▾" : "▸") : "";
    if (isFoldable) item.row.setAttribute("aria-expanded", String(isOpen));
    else item.row.removeAttribute("aria-expanded");
  }

  #selected(item, isSelected) {
    if (isSelected) item.row.setAttribute("aria-selected", "true");
    else item.row.removeAttribute("aria-selected");
  }

  /** The row of the cursor has the focus for as long as it is in view; then the rows as a whole have it. */
  #keepFocus(first, last) {
    const isInView = this.cursor >= first && this.cursor < last;
    const link = isInView ? this.#pool[this.cursor % this.#pool.length].link : null;
    if (this.#focus && link !== null) {
      this.#focus = false;
      link.focus({ preventScroll: true });
    }
    if (!this.root.contains(document.activeElement)) this.#focus = false;
    this.scroller.tabIndex = isInView ? -1 : 0;
  }

  #hide(item) {
    if (item.at < 0 && item.row.hidden) return;
    // Where the focus was it stays, with the rows, until its row is in view again.
    if (item.row.contains(document.activeElement)) {
      this.scroller.focus({ preventScroll: true });
      this.#focus = true;
    }
    item.at = -1;
    item.row.hidden = true;
    item.row.removeAttribute("id");
    item.row.classList.remove("cursor");
  }

  #drawAxis() {
    const [from, to] = this.window;
    const lines = ticks(from, to);
    let free = 0;
    const labels = lines.map(({ share, label }) => {
      const node = element("span");
      const [from, to] = [share * this.bars.width, share * this.bars.width + label.length * LABEL_WIDTH + 8];
      node.style.insetInlineStart = `${share * 100}%`;
      // What has no room beside the label before, or before the end, is a line alone.
      if (from >= free && to <= this.bars.width) {
        node.textContent = label;
        free = to;
      }
      return node;
    });
    this.axisLabels.replaceChildren(...labels);
    this.bars.ticks = lines;
  }

  #listen() {
    this.scroller.addEventListener("scroll", () => {
      // What this code set is known already, and more exactly than the scroll bar can say.
      if (Math.abs(this.scroller.scrollTop - this.#set) <= 1) return;
      this.#set = -1;
      this.#top = Math.min((this.scroller.scrollTop * this.scale) / this.rowHeight, this.#topMax());
      this.soon();
    });
    this.scroller.addEventListener("wheel", (event) => this.#wheel(event), { passive: false });
    this.scroller.addEventListener("click", (event) => this.#click(event));
    this.scroller.addEventListener("focusin", (event) => {
      const index = this.#indexOf(event.target);
      if (index >= 0 && index !== this.cursor) {
        this.cursor = index;
        this.soon();
      }
    });
    for (const [target, left] of [[this.scroller, () => this.axis.getBoundingClientRect()], [this.axis, () => this.axis.getBoundingClientRect()]]) {
      target.addEventListener("pointerdown", (event) => this.#drag(event, left()));
    }
    new ResizeObserver(() => {
      if (this.axis.clientWidth !== this.bars.width) this.measure();
    }).observe(this.root);
  }

  /** Where positions are mapped, a step of the wheel is still as many rows as elsewhere. */
  #wheel(event) {
    if (this.scale <= 1 || event.ctrlKey || event.deltaY === 0) return;
    const unit = event.deltaMode === 1 ? this.rowHeight : event.deltaMode === 2 ? this.view : 1;
    const top = Math.max(0, Math.min(this.#top + (event.deltaY * unit) / this.rowHeight, this.#topMax()));
    if (top === this.#top) return;
    event.preventDefault();
    this.scrollTo(top);
  }

  #indexOf(target) {
    const row = target.closest?.(".grid-row");
    const item = row && this.#pool.find((each) => each.row === row);
    return item ? item.at : -1;
  }

  #click(event) {
    const index = this.#indexOf(event.target);
    if (index < 0 || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
    event.preventDefault();
    if (this.dragged || String(window.getSelection()) !== "") {
      this.dragged = false;
      return;
    }
    this.cursor = index;
    const entry = this.trace.shown[index];
    if (entry < 0 || event.target.closest("[data-fold]") !== null) this.trace.fold(index);
    else this.trace.select(entry);
  }

  /** A range drawn over the bars or the axis is zoomed into. */
  #drag(event, { left, width, right }) {
    if (event.button !== 0 || event.clientX < left || event.clientX > right) return;
    const share = (each) => Math.max(0, Math.min(1, (each.clientX - left) / width));
    const from = share(event);
    const [start, end] = this.window;
    const move = (each) => {
      if (Math.abs(each.clientX - event.clientX) < DRAG_MIN) return;
      this.dragged = true;
      this.bars.selection = [from, share(each)];
      this.soon();
    };
    const up = (each) => {
      window.removeEventListener("pointermove", move);
      window.removeEventListener("pointerup", up);
      this.bars.selection = null;
      if (!this.dragged) return;
      // The click that follows is the end of this, wherever it lands.
      setTimeout(() => (this.dragged = false), 0);
      const [low, high] = [Math.min(from, share(each)), Math.max(from, share(each))];
      this.trace.zoom([start + low * (end - start), start + high * (end - start)]);
    };
    window.addEventListener("pointermove", move);
    window.addEventListener("pointerup", up);
  }
}
