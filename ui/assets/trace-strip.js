// The picture of the whole trace above the rows: the longest span at each place of each level, errors, matches, the
// critical path, and which part of the time the rows show. A range drawn over it is zoomed into.

import { element } from "./trace-grid.js";
import { STRIP_COLUMNS, STRIP_LEVELS } from "./trace-model.js";

const LEVEL_HEIGHT = 5;
const MARKS_HEIGHT = 7;
const PATH_HEIGHT = 4;
const DRAG_MIN = 4;

export class Strip {
  #match = new Uint8Array(STRIP_COLUMNS);
  #path = new Uint8Array(STRIP_COLUMNS);
  #drawn = "";

  /** @param {Element} place what it takes the place of */
  constructor(place, trace, bars) {
    this.trace = trace;
    this.bars = bars;
    const { levels } = trace.model.strip;
    this.height = MARKS_HEIGHT + levels * LEVEL_HEIGHT + PATH_HEIGHT + 2;
    this.canvas = element("canvas", "strip", { id: "strip", role: "img" });
    this.canvas.setAttribute("aria-label", "The whole trace: the longest span at each place, by level");
    this.canvas.style.height = `${this.height}px`;
    place.replaceWith(this.canvas);
    this.#findPath();
    this.canvas.addEventListener("pointerdown", (event) => this.#drag(event));
    this.canvas.addEventListener("dblclick", () => trace.zoom(null));
    new ResizeObserver(() => this.refresh()).observe(this.canvas);
  }

  #column(time) {
    const whole = Math.max(1, this.trace.model.head.duration_ns);
    return Math.max(0, Math.min(STRIP_COLUMNS - 1, Math.floor((time / whole) * STRIP_COLUMNS)));
  }

  /** The critical path, over the leaves of it: where nothing below is on it. */
  #findPath() {
    const { critical, start, duration, size } = this.trace.model;
    for (let row = 0; row < critical.length; row += 1) {
      if (critical[row] === 0 || (size[row] > 1 && duration[row] > this.trace.model.head.duration_ns / 2)) continue;
      this.#path.fill(1, this.#column(start[row]), this.#column(start[row] + duration[row]) + 1);
    }
  }

  /** Marks where matches are. @param {Uint32Array | null} rows */
  found(rows) {
    this.#match.fill(0);
    for (const row of rows ?? []) this.#match[this.#column(this.trace.model.start[row])] = 1;
    this.refresh();
  }

  refresh() {
    this.#drawn = "";
    this.draw(this.window ?? [0, this.trace.model.head.duration_ns]);
  }

  /** Draws the strip with the window of the rows on it. */
  draw(window_) {
    this.window = window_;
    const key = `${window_[0]} ${window_[1]} ${this.dragging ?? ""} ${this.trace.state.critical}`;
    if (key === this.#drawn) return;
    this.#drawn = key;
    const ratio = window.devicePixelRatio || 1;
    const width = this.canvas.clientWidth;
    if (width === 0) return;
    this.canvas.width = Math.round(width * ratio);
    this.canvas.height = Math.round(this.height * ratio);
    const context = this.canvas.getContext("2d");
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    this.#spans(context, width);
    this.#marks(context, width);
    this.#window(context, width);
  }

  #spans(context, width) {
    const { model } = this.trace;
    const { grid, levels } = model.strip;
    const step = width / STRIP_COLUMNS;
    for (let level = 0; level < Math.min(levels, STRIP_LEVELS); level += 1) {
      const y = MARKS_HEIGHT + level * LEVEL_HEIGHT;
      for (let from = 0, to = 0; from < STRIP_COLUMNS; from = to) {
        const row = grid[level * STRIP_COLUMNS + from];
        for (to = from + 1; to < STRIP_COLUMNS && grid[level * STRIP_COLUMNS + to] === row; to += 1);
        if (row < 0) continue;
        context.fillStyle = this.bars.colours.service[model.colour[model.service[row]]];
        context.fillRect(from * step, y, Math.max(1, (to - from) * step), LEVEL_HEIGHT - 1);
      }
    }
  }

  #marks(context, width) {
    const { colours } = this.bars;
    const { errors, levels } = this.trace.model.strip;
    const step = width / STRIP_COLUMNS;
    const foot = MARKS_HEIGHT + levels * LEVEL_HEIGHT;
    for (let column = 0; column < STRIP_COLUMNS; column += 1) {
      const x = (column + 0.5) * step;
      if (this.#match[column] === 1) {
        context.fillStyle = colours.accent;
        context.fillRect(x - 1, 0, 2, foot);
      }
      if (errors[column] === 1) {
        context.fillStyle = colours.bad;
        context.beginPath();
        context.moveTo(x - 3, 0);
        context.lineTo(x + 3, 0);
        context.lineTo(x, 5);
        context.fill();
      }
      if (this.trace.state.critical && this.#path[column] === 1) {
        context.fillStyle = colours.ink;
        context.fillRect(column * step, foot + 1, step + 0.5, 2);
      }
    }
  }

  #window(context, width) {
    const whole = Math.max(1, this.trace.model.head.duration_ns);
    const [from, to] = this.dragging ?? this.window;
    const [left, right] = [(from / whole) * width, Math.max((to / whole) * width, (from / whole) * width + 2)];
    if (right - left >= width - 1) return;
    const { colours } = this.bars;
    context.fillStyle = colours.panel;
    context.globalAlpha = 0.6;
    context.fillRect(0, 0, left, this.height);
    context.fillRect(right, 0, width - right, this.height);
    context.globalAlpha = 1;
    context.strokeStyle = colours.accent;
    context.lineWidth = 1.5;
    context.strokeRect(left, 0.75, right - left, this.height - 1.5);
  }

  #drag(event) {
    if (event.button !== 0) return;
    const { left, width } = this.canvas.getBoundingClientRect();
    const whole = this.trace.model.head.duration_ns;
    const time = (each) => Math.max(0, Math.min(1, (each.clientX - left) / width)) * whole;
    const from = time(event);
    const move = (each) => {
      if (Math.abs(each.clientX - event.clientX) < DRAG_MIN) return;
      this.dragging = [Math.min(from, time(each)), Math.max(from, time(each))];
      this.draw(this.window);
    };
    const up = () => {
      window.removeEventListener("pointermove", move);
      window.removeEventListener("pointerup", up);
      const range = this.dragging;
      this.dragging = undefined;
      if (range !== undefined) this.trace.zoom(range);
      else this.#pick(event);
    };
    window.addEventListener("pointermove", move);
    window.addEventListener("pointerup", up);
  }

  /** A click goes to the span that is drawn there. */
  #pick(event) {
    const { left, top, width } = this.canvas.getBoundingClientRect();
    const column = Math.min(STRIP_COLUMNS - 1, Math.floor(((event.clientX - left) / width) * STRIP_COLUMNS));
    const level = Math.floor((event.clientY - top - MARKS_HEIGHT) / LEVEL_HEIGHT);
    const row = level < 0 || level >= STRIP_LEVELS ? -1 : this.trace.model.strip.grid[level * STRIP_COLUMNS + column];
    if (row >= 0) this.trace.goTo(row);
  }
}
