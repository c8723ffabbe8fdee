// <promql-chart>: the chart of queries as one that is pointed at and dragged over. What the server drew stays where this
// does not run. A box that was dragged goes into the address as `sel`, and into the links that say what can be done with it.

import { NANOS, axes, boxOfAddress, clock, colour, dragKeys, dragged, heatDrag, inZone, shade, textOf } from "./plot.js";
import { zone } from "./times.js";

const HEIGHT = 264;
/** How near to a line the pointer has to be, in pixels, and how much of the others is seen then. */
const NEAR_PX = 30;
const FAR_ALPHA = 0.25;
const DIGITS = 4;

const figure = (value) => (value === null || value === undefined ? "–" : String(Number(value.toPrecision(DIGITS))));

class PromqlChart extends HTMLElement {
  connectedCallback() {
    this.acts = this.querySelector(".box-acts");
    this.first = this.#selected();
    this.area = this.querySelector(".lines-area");
    this.cells = [...this.querySelectorAll(".legend tbody .at")];
    heatDrag(this, (from, to) => this.#take(from, to));
    window.addEventListener("popstate", () => this.#show());
    if (this.area !== null && typeof uPlot !== "undefined") this.#draw();
  }

  #draw() {
    const { start, step, numbers, label } = this.area.dataset;
    const values = JSON.parse(numbers);
    const length = Number(step) / 1000;
    const times = values[0].map((_, at) => Number(start) / 1000 + at * length);
    const place = document.createElement("div");
    place.className = "plot";
    place.setAttribute("role", "group");
    place.setAttribute("aria-label", `${label}. Arrow keys move, with Shift they select, Enter takes the selection.`);
    place.tabIndex = 0;
    this.area.querySelector(".drawn").replaceWith(place);
    this.plot = new uPlot(this.#options(length, place.clientWidth || 300), [times, ...values], place);
    dragKeys(place, this.plot, times, length, (from, to) => this.#take(from, to));
    new ResizeObserver(() => this.plot.setSize({ width: place.clientWidth, height: HEIGHT })).observe(place);
    for (const cell of this.querySelectorAll(".legend .at")) cell.hidden = false;
  }

  #options(length, width) {
    const { low, high, colours } = this.area.dataset;
    const css = { axis: colour(this, "--soft"), grid: colour(this, "--line-soft") };
    const lines = colours.trim().split(" ").map((number) => ({ stroke: colour(this, "--c", `c${number}`), width: 1.5, points: { size: 4 } }));
    return {
      width,
      height: HEIGHT,
      tzDate: inZone,
      legend: { show: false },
      focus: { alpha: FAR_ALPHA },
      cursor: { y: false, drag: { x: true, y: false, setScale: false }, focus: { prox: NEAR_PX } },
      scales: { y: { range: [Number(low), Number(high)] } },
      axes: axes(css, figure),
      series: [{}, ...lines],
      hooks: {
        ready: [() => this.#show()],
        setSelect: [(plot) => dragged(plot, length, (from, to) => this.#take(from, to))],
        setCursor: [(plot) => this.#tell(plot)],
        setSeries: [(_, near) => this.#near(near)],
        draw: [(plot) => this.#place(plot)],
      },
    };
  }

  /** The values at the cursor, in the table below. */
  #tell(plot) {
    const { idx } = plot.cursor;
    const isAt = idx !== null && idx !== undefined;
    const head = this.querySelector("[data-at]");
    if (head !== null) head.textContent = isAt ? `${clock(plot.data[0][idx])} ${zone}` : "";
    for (const [at, cell] of this.cells.entries()) cell.textContent = isAt ? figure(plot.data[at + 1][idx]) : "";
  }

  /** Marks the row of the line that the pointer is near to. */
  #near(near) {
    for (const [at, cell] of this.cells.entries()) cell.parentElement.classList.toggle("near", at + 1 === near);
  }

  /** Puts the exemplars where the plot has their time and value. */
  #place(plot) {
    const { low, high } = this.area.dataset;
    const inside = (value) => Math.min(Number(high), Math.max(Number(low), value));
    for (const link of this.area.querySelectorAll(".marks a")) {
      const { time, value } = link.dataset;
      link.parentElement.setAttribute("x", String(plot.over.offsetLeft + plot.valToPos(Number(time) / 1000, "x")));
      link.parentElement.setAttribute("y", String(plot.over.offsetTop + plot.valToPos(inside(Number(value)), "y")));
    }
  }

  #take(from, to) {
    const address = new URL(location.href);
    address.searchParams.set("sel", textOf(from, to));
    history.pushState(null, "", address);
    this.#show();
    this.acts.scrollIntoView({ block: "nearest" });
  }

  /** The box as the address has it. */
  #selected() {
    return new URLSearchParams(location.search).get("sel");
  }

  /** The ends of the box in seconds. Those of one that is relative to now are known of the first only, from the server. */
  #range() {
    const { from, to } = this.acts.dataset;
    const isFirst = from !== undefined && this.#selected() === this.first;
    return boxOfAddress() ?? (isFirst ? [Number(from) / NANOS, Number(to) / NANOS] : null);
  }

  /** The box of the address: on the chart, in words, and in what can be done with it. */
  #show() {
    const range = this.#range();
    if (this.plot !== undefined) shade(this.plot, range);
    this.acts.hidden = range === null && this.#selected() === null;
    if (range === null) return;
    this.acts.querySelector(".box-words").textContent = `${range.map(clock).join(" to ")} ${zone}`;
    for (const link of this.acts.querySelectorAll("[data-pattern]")) {
      link.href = link.dataset.pattern.replace(/BOX$/, encodeURIComponent(textOf(...range)));
    }
  }
}

customElements.define("promql-chart", PromqlChart);
