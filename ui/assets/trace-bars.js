// The bars beside the rows, on a canvas: spans by the colour of their service, errors underlined, the critical path as a
// line along them, logs and events as marks at their time.

import { EVENT, FAILED, GAP, LOG, SPAN, levelOf, sortOf } from "./trace-outline.js";

/** A bar that is shorter than this, in pixels, could not be seen. */
const WIDTH_MIN = 2;
/** Of a group of more spans its extent is drawn, and not each. */
const MEMBERS_MAX = 4_000;
const LEVEL_COLOURS = ["soft", "soft", "soft", "info", "warn", "bad", "fatal"];

/** The colours of the page as it is now. */
export function pageColours() {
  const probe = document.createElement("span");
  probe.hidden = true;
  document.body.append(probe);
  const of = (value) => {
    probe.style.color = value;
    return getComputedStyle(probe).color;
  };
  const colours = { service: [] };
  for (let number = 0; number < 20; number += 1) {
    probe.className = `c${number}`;
    colours.service.push(of("var(--c)"));
  }
  probe.className = "";
  for (const name of ["ink", "soft", "line", "line-soft", "bad", "warn", "info", "fatal", "accent", "panel", "accent-ground"]) colours[name] = of(`var(--${name})`);
  probe.remove();
  return colours;
}

export class Bars {
  ticks = [];
  /** A range that is being drawn, as two shares of the width. */
  selection = null;
  width = 0;
  height = 0;

  constructor(canvas, trace) {
    this.canvas = canvas;
    this.trace = trace;
    this.context = canvas.getContext("2d");
    this.colours = pageColours();
  }

  measure(width, height) {
    const ratio = window.devicePixelRatio || 1;
    [this.width, this.height] = [width, height];
    this.canvas.width = Math.max(1, Math.round(width * ratio));
    this.canvas.height = Math.max(1, Math.round(height * ratio));
    this.canvas.style.width = `${width}px`;
    this.canvas.style.height = `${height}px`;
    this.context.setTransform(ratio, 0, 0, ratio, 0, 0);
  }

  /** Draws the rows from an index to another, scrolled to `top`. */
  draw(first, last, top, rowHeight, [from, to], cursor) {
    const { context, width, height } = this;
    context.clearRect(0, 0, width, height);
    context.strokeStyle = this.colours["line-soft"];
    context.beginPath();
    for (const { share } of this.ticks) {
      const x = Math.round(share * width) + 0.5;
      context.moveTo(x, 0);
      context.lineTo(x, height);
    }
    context.stroke();
    const scale = width / Math.max(1, to - from);
    for (let index = first; index < last; index += 1) {
      const entry = this.trace.shown[index];
      const y = Math.round((index - top) * rowHeight);
      if (entry < 0) this.#group(-1 - entry, y, rowHeight, from, scale);
      else this.#row(entry, y, rowHeight, from, scale);
    }
    context.globalAlpha = 1;
    if (this.selection !== null) this.#selection();
  }

  #row(row, y, rowHeight, from, scale) {
    const { model, state } = this.trace;
    const { context, colours } = this;
    const sort = sortOf(model.flags[row]);
    if (sort === GAP) return;
    context.globalAlpha = state.matches !== null && state.matches[row] === 0 ? 0.25 : 1;
    const x = (model.start[row] - from) * scale;
    if (sort !== SPAN) return this.#mark(row, sort, x, y + rowHeight / 2);
    const length = Math.max(0, model.duration[row]) * scale;
    const end = Math.max(x + length, x + WIDTH_MIN);
    if (this.#isOutside(x, end, y + rowHeight / 2)) return;
    const left = Math.max(-4, Math.min(x, this.width - WIDTH_MIN));
    const right = Math.min(this.width + 4, Math.max(end, left + WIDTH_MIN));
    const [at, high] = [y + Math.round(rowHeight * 0.29), Math.round(rowHeight * 0.42)];
    context.fillStyle = colours.service[model.colour[model.service[row]]];
    context.beginPath();
    context.roundRect(left, at, right - left, high, Math.min(2, (right - left) / 2));
    context.fill();
    if ((model.flags[row] & FAILED) !== 0) {
      context.fillStyle = colours.bad;
      context.fillRect(left, at + high + 2, right - left, 2);
    }
    if (state.critical && model.critical[row] === 1) {
      context.fillStyle = colours.ink;
      context.fillRect(left, at - 3, right - left, 1.5);
    }
  }

  /** Says at the edge that a bar is further on. */
  #isOutside(x, end, middle) {
    if (end >= 0 && x <= this.width) return false;
    const { context } = this;
    const [tip, back] = end < 0 ? [2, 7] : [this.width - 2, this.width - 7];
    context.fillStyle = this.colours.soft;
    context.beginPath();
    context.moveTo(tip, middle);
    context.lineTo(back, middle - 4);
    context.lineTo(back, middle + 4);
    context.fill();
    return true;
  }

  #mark(row, sort, x, middle) {
    const { context, colours } = this;
    const { flags } = this.trace.model;
    if (x < -6 || x > this.width + 6) return;
    const failed = (flags[row] & FAILED) !== 0;
    context.fillStyle = colours[sort === LOG ? LEVEL_COLOURS[levelOf(flags[row])] : failed ? "bad" : "soft"];
    context.beginPath();
    if (sort === EVENT) {
      context.moveTo(x, middle - 6);
      context.lineTo(x + 5, middle);
      context.lineTo(x, middle + 6);
      context.lineTo(x - 5, middle);
    } else {
      context.rect(x - 1.5, middle - 7, 3, 14);
    }
    context.fill();
  }

  #group(group, y, rowHeight, from, scale) {
    const { model, state } = this.trace;
    const { context, colours } = this;
    const { members, first, failed } = model.groups;
    const rows = members.subarray(first[group], first[group + 1]);
    const [at, high] = [y + Math.round(rowHeight * 0.29), Math.round(rowHeight * 0.42)];
    context.fillStyle = colours.service[model.colour[model.service[rows[0]]]];
    context.globalAlpha = 0.3;
    const x = (model.start[rows[0]] - from) * scale;
    let end = x;
    if (rows.length <= MEMBERS_MAX) for (const row of rows) end = Math.max(end, (model.start[row] + model.duration[row] - from) * scale);
    else end = (model.start[rows.at(-1)] + model.duration[rows.at(-1)] - from) * scale;
    if (this.#isOutside(x, Math.max(end, x + WIDTH_MIN), y + rowHeight / 2)) return;
    const left = Math.max(-4, x);
    const right = Math.min(this.width + 4, Math.max(end, x + WIDTH_MIN));
    context.fillRect(left, at, right - left, high);
    context.globalAlpha = 0.8;
    if (rows.length <= MEMBERS_MAX) this.#members(rows, at + 1, high - 2, from, scale);
    context.globalAlpha = 1;
    if (failed[group] > 0) {
      context.fillStyle = colours.bad;
      context.fillRect(left, at + high + 2, right - left, 2);
    }
    if (state.critical && rows.length <= MEMBERS_MAX) {
      context.fillStyle = colours.ink;
      for (const row of rows) {
        if (model.critical[row] === 0) continue;
        const begin = (model.start[row] - from) * scale;
        context.fillRect(begin, at - 3, Math.max(1, model.duration[row] * scale), 1.5);
      }
    }
  }

  /** The spans of a group; those that fall into one pixel are drawn once. */
  #members(rows, y, high, from, scale) {
    const { model } = this.trace;
    let drawn = -Infinity;
    for (const row of rows) {
      const x = (model.start[row] - from) * scale;
      const end = x + Math.max(1, model.duration[row] * scale - 1);
      if (end < 0 || x > this.width || end <= drawn) continue;
      const left = Math.max(x, drawn, -4);
      this.context.fillRect(left, y, Math.min(end, this.width + 4) - left, high);
      drawn = end;
    }
  }

  #selection() {
    const { context, width, height } = this;
    const [low, high] = this.selection.map((share) => share * width).sort((a, b) => a - b);
    context.globalAlpha = 0.2;
    context.fillStyle = this.colours.accent;
    context.fillRect(low, 0, high - low, height);
    context.globalAlpha = 1;
  }
}
