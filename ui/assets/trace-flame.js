// The flames of a trace: spans of one operation below one another are one box, as wide as the time that they and what is
// below them spent themselves. Where time went is as wide as it is long, however many spans it came in.

import { pageColours } from "./trace-bars.js";
import { ofOperation } from "./trace-find.js";
import { count, counted, duration } from "./trace-format.js";
import { element } from "./trace-grid.js";
import { SPAN, sortOf } from "./trace-outline.js";

const BOX_HEIGHT = 20;
/** A box that is narrower, in pixels, is not drawn. */
const WIDTH_MIN = 0.5;
/** The highest that the content is made, in pixels. */
const HEIGHT_MAX = 8_000_000;

/** The time of each span in which none of its children ran. */
export function ownTimes({ start, duration: length, parent, flags }) {
  const own = Float64Array.from(length, (each) => Math.max(0, each));
  const reached = Float64Array.from(start);
  for (let row = 0; row < own.length; row += 1) {
    const above = parent[row];
    if (above < 0 || sortOf(flags[row]) !== SPAN || sortOf(flags[above]) !== SPAN) continue;
    const from = Math.max(start[row], reached[above]);
    const to = Math.min(start[row] + Math.max(0, length[row]), start[above] + Math.max(0, length[above]));
    if (to <= from) continue;
    own[above] -= to - from;
    reached[above] = to;
  }
  return own;
}

/** Boxes of operations by their way from the top. Parents come before what is below them. */
export function flames(model, [low, high] = [0, Infinity]) {
  const own = ownTimes(model);
  const { start, duration: length, parent, flags, service, name, names, services } = model;
  const boxOf = new Int32Array(model.rows).fill(-1);
  const boxes = [{ parent: -1, service: -1, name: -1, depth: -1, self: 0, width: 0, spans: 0, x: 0, below: [] }];
  const known = new Map();
  const operations = names.length * services.length;
  for (let row = 0; row < model.rows; row += 1) {
    if (sortOf(flags[row]) !== SPAN) continue;
    const above = parent[row] < 0 || boxOf[parent[row]] < 0 ? 0 : boxOf[parent[row]];
    const key = above * operations + service[row] * names.length + name[row];
    let box = known.get(key);
    if (box === undefined) {
      box = boxes.length;
      known.set(key, box);
      boxes.push({ parent: above, service: service[row], name: name[row], depth: boxes[above].depth + 1, self: 0, width: 0, spans: 0, x: 0, below: [] });
      boxes[above].below.push(box);
    }
    boxOf[row] = box;
    if (start[row] > high || start[row] + length[row] < low) continue;
    boxes[box].spans += 1;
    boxes[box].self += own[row];
  }
  for (let box = boxes.length - 1; box >= 0; box -= 1) {
    boxes[box].width += boxes[box].self;
    if (box > 0) boxes[boxes[box].parent].width += boxes[box].width;
  }
  for (const box of boxes) {
    let x = box.x;
    box.below.sort((a, b) => boxes[b].width - boxes[a].width || a - b);
    for (const child of box.below) {
      boxes[child].x = x;
      x += boxes[child].width;
    }
  }
  return boxes;
}

export class Flame {
  #zoomed = 0;
  #chosen = 0;
  #frame = 0;

  constructor(host, trace) {
    this.trace = trace;
    const { zoom } = trace.state;
    this.boxes = flames(trace.model, Array.isArray(zoom) ? zoom : undefined);
    this.depths = this.boxes.reduce((deepest, box) => Math.max(deepest, box.depth), 0) + 1;
    this.colours = pageColours();
    this.told = element("p", "flame-told", { role: "status" });
    this.scroller = element("div", "flame-scroll", { tabindex: "0", role: "group" });
    this.scroller.setAttribute("aria-label", "Flames: arrow keys go from box to box, Enter zooms, Escape goes back");
    this.canvas = element("canvas", "", { "aria-hidden": "true" });
    this.space = element("div");
    this.scroller.append(this.canvas, this.space);
    host.replaceChildren(this.told, this.scroller);
    this.#listen();
    this.measure();
    this.#tell(0);
  }

  measure() {
    const ratio = window.devicePixelRatio || 1;
    const content = Math.min(HEIGHT_MAX, this.depths * BOX_HEIGHT + 4);
    const above = this.scroller.getBoundingClientRect().top + window.scrollY;
    const height = Math.min(content, Math.max(240, window.innerHeight - Math.min(above, window.innerHeight / 2) - 20));
    this.scroller.style.height = `${height}px`;
    this.space.style.height = `${content - height}px`;
    this.width = this.scroller.clientWidth;
    this.height = height;
    this.canvas.width = Math.round(this.width * ratio);
    this.canvas.height = Math.round(height * ratio);
    this.canvas.style.width = `${this.width}px`;
    this.canvas.style.height = `${height}px`;
    this.context = this.canvas.getContext("2d");
    this.context.setTransform(ratio, 0, 0, ratio, 0, 0);
    this.draw();
  }

  soon() {
    if (this.#frame === 0) this.#frame = requestAnimationFrame(() => this.draw());
  }

  draw() {
    this.#frame = 0;
    const { context, boxes } = this;
    const zoomed = boxes[this.#zoomed];
    const scale = this.width / Math.max(1, zoomed.width);
    const first = Math.floor(this.scroller.scrollTop / BOX_HEIGHT);
    const last = first + Math.ceil(this.height / BOX_HEIGHT) + 1;
    context.clearRect(0, 0, this.width, this.height);
    const font = getComputedStyle(this.scroller).fontFamily;
    context.font = `11px ${font}`;
    context.textBaseline = "middle";
    this.drawn = [];
    for (let number = 1; number < boxes.length; number += 1) {
      const box = boxes[number];
      if (box.depth < first || box.depth > last) continue;
      const left = Math.max(0, (box.x - zoomed.x) * scale);
      const right = Math.min(this.width, (box.x + box.width - zoomed.x) * scale);
      if (right - left < WIDTH_MIN) continue;
      this.drawn.push({ number, left, right });
      this.#box(number, box, left, right, box.depth * BOX_HEIGHT - this.scroller.scrollTop + 2);
    }
  }

  #box(number, box, left, right, y) {
    const { context, colours } = this;
    const { model } = this.trace;
    const width = Math.max(1, right - left - 1);
    context.fillStyle = colours.service[model.colour[box.service]];
    context.globalAlpha = number === this.#chosen ? 1 : 0.32;
    context.fillRect(left, y, width, BOX_HEIGHT - 2);
    context.globalAlpha = 1;
    context.fillRect(left, y, Math.min(3, width), BOX_HEIGHT - 2);
    if (width < 30) return;
    context.save();
    context.beginPath();
    context.rect(left, y, width - 3, BOX_HEIGHT);
    context.clip();
    context.fillStyle = number === this.#chosen ? colours.panel : colours.ink;
    context.fillText(`${model.services[box.service]} ${model.names[box.name]}`, left + 7, y + BOX_HEIGHT / 2 - 1);
    context.restore();
  }

  #tell(number) {
    this.#chosen = number;
    const box = this.boxes[number];
    const { model, href } = this.trace;
    if (number === 0) {
      const boxes = this.boxes.length - 1;
      this.told.textContent = `${counted(model.head.spans, "span")} in ${count(boxes)} boxes, as wide as the time they spent themselves`;
      return;
    }
    const words = `${duration(box.self)} itself, ${duration(box.width)} with what it called, ${counted(box.spans, "span")}`;
    const [service, name] = [model.services[box.service], model.names[box.name]];
    const link = element("a");
    link.href = `${href}?${new URLSearchParams({ find: ofOperation(service, name) })}`;
    link.textContent = "Its spans";
    const strong = element("strong");
    strong.textContent = service;
    this.told.replaceChildren(strong, ` ${name}: ${words}. `, link);
  }

  /** Zooms into a box; 0 is the whole. */
  zoom(number) {
    this.#zoomed = number;
    this.#tell(number);
    this.draw();
  }

  #at(event) {
    const { left, top } = this.canvas.getBoundingClientRect();
    const depth = Math.floor((event.clientY - top + this.scroller.scrollTop - 2) / BOX_HEIGHT);
    const x = event.clientX - left;
    const found = this.drawn.find((each) => this.boxes[each.number].depth === depth && x >= each.left && x < each.right);
    return found?.number ?? 0;
  }

  #listen() {
    this.scroller.addEventListener("scroll", () => this.soon());
    this.canvas.addEventListener("pointermove", (event) => {
      const number = this.#at(event);
      if (number === this.#chosen) return;
      this.#tell(number);
      this.soon();
    });
    this.canvas.addEventListener("click", (event) => this.zoom(this.#at(event)));
    this.scroller.addEventListener("keydown", (event) => this.#key(event));
    window.addEventListener("resize", () => this.measure());
  }

  #key(event) {
    const box = this.boxes[this.#chosen];
    const siblings = box.parent < 0 ? [0] : this.boxes[box.parent].below;
    const at = siblings.indexOf(this.#chosen);
    const moves = {
      ArrowDown: box.below[0],
      ArrowUp: box.parent,
      ArrowRight: siblings[at + 1],
      ArrowLeft: siblings[at - 1],
    };
    if (event.key === "Enter") this.zoom(this.#chosen);
    else if (event.key === "Escape") this.zoom(0);
    else if (event.key in moves) {
      const next = moves[event.key];
      if (next === undefined || next < 0) return;
      this.#tell(next);
      const top = this.boxes[next].depth * BOX_HEIGHT;
      if (top < this.scroller.scrollTop || top > this.scroller.scrollTop + this.height - BOX_HEIGHT) this.scroller.scrollTop = top - this.height / 2;
      this.draw();
    } else return;
    event.preventDefault();
    event.stopPropagation();
  }
}
