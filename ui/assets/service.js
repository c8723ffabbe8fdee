// <service-charts>: the charts of a service as ones that are dragged over. What the server drew stays where this does not
// run. A box that was dragged goes into the address as `sel`, and the page's part about it is fetched and put in place.

import { enhance } from "./main.js";
import { NANOS, axes, boxOfAddress, colour, dragKeys, dragged, heatDrag, inZone, shade, textOf } from "./plot.js";
import { duration } from "./trace-format.js";

const HEIGHT = 116;
const FIGURES = {
  calls: { value: (point, minutes) => point.calls / minutes, colour: "--chart", unit: "" },
  errors: { value: (point, minutes) => point.errors / minutes, colour: "--bad", unit: "" },
  p95: { value: (point) => point.p95_ns, colour: "--chart", unit: "ns" },
};

class ServiceCharts extends HTMLElement {
  #plots = [];
  #asked = 0;

  async connectedCallback() {
    heatDrag(this, (...box) => this.#take(...box));
    window.addEventListener("popstate", () => this.#show(location.href).catch(() => location.reload()));
    if (typeof uPlot === "undefined") return;
    try {
      const answer = await fetch(this.dataset.source);
      if (answer.ok) this.#draw(await answer.json());
    } catch {
      // The pictures of the server stay.
    }
  }

  /** Every stretch of the range, those without calls included. */
  #columns({ series, step_ns: step, from, to }) {
    const length = step / NANOS;
    const first = Math.floor(Number(from ?? series[0]?.time ?? 0) / step) * length;
    const last = Math.max(Number(to ?? 0) / NANOS, first + length, Number(series.at(-1)?.time ?? 0) / NANOS + length);
    const times = Array.from({ length: Math.min(Math.ceil((last - first) / length), 5000) }, (_, at) => first + at * length);
    const at = new Map(series.map((point) => [Math.round((Number(point.time) / NANOS - first) / length), point]));
    return { times, points: times.map((_, place) => at.get(place)), minutes: length / 60, length };
  }

  #draw(answer) {
    const { times, points, minutes, length } = this.#columns(answer);
    const css = { axis: colour(this, "--soft"), grid: colour(this, "--line-soft"), ink: colour(this, "--ink") };
    for (const figure of this.querySelectorAll("[data-chart]")) {
      const { value, colour: name, unit } = FIGURES[figure.dataset.chart];
      const values = points.map((point) => (point === undefined ? (unit === "" ? 0 : null) : value(point, minutes)));
      const drawn = figure.querySelector("svg");
      const marks = this.#marks(drawn);
      const place = document.createElement("div");
      place.className = "plot";
      place.setAttribute("role", "group");
      place.setAttribute("aria-label", `${drawn.getAttribute("aria-label")}. Arrow keys move, with Shift they select, Enter takes the selection.`);
      place.tabIndex = 0;
      const plot = new uPlot(this.#options({ unit, fill: colour(this, name), css, length, marks, width: drawn.clientWidth || 300 }), [times, values], place);
      drawn.replaceWith(place);
      this.#plots.push(plot);
      dragKeys(place, plot, times, length, (...box) => this.#take(...box));
      new ResizeObserver(() => plot.setSize({ width: place.clientWidth, height: HEIGHT })).observe(place);
    }
    this.#shade();
  }

  /** The changes that the server drew: their times in seconds. */
  #marks(drawn) {
    const ends = this.querySelector(".heat")?.dataset;
    if (ends === undefined) return [];
    const [from, to] = [Number(ends.from) / NANOS, Number(ends.to) / NANOS];
    return [...drawn.querySelectorAll(".change line")].map((line) => from + (Number.parseFloat(line.getAttribute("x1")) / 100) * (to - from));
  }

  #options({ unit, fill, css, length, marks, width }) {
    const text = (value) => (unit === "ns" ? duration(value) : String(Number(value.toPrecision(3))));
    return {
      width,
      height: HEIGHT,
      tzDate: inZone,
      legend: { show: false },
      cursor: { y: false, drag: { x: true, y: false, setScale: false }, sync: { key: "service" }, points: { show: false } },
      scales: { y: { range: (_, __, most) => [0, most > 0 ? most * 1.05 : 1] } },
      axes: axes(css, text),
      series: [{}, { fill, width: 0, paths: uPlot.paths.bars({ size: [0.85, 60], align: 1 }), points: { show: false } }],
      hooks: { ready: [(plot) => shade(plot, boxOfAddress())], setSelect: [(plot) => dragged(plot, length, (...box) => this.#take(...box))], draw: [(plot) => this.#drawMarks(plot, marks, css.ink)] },
    };
  }

  /** Changes as dashed lines with a triangle above. */
  #drawMarks(plot, marks, ink) {
    const { ctx, bbox: { top, height } } = plot;
    ctx.save();
    [ctx.strokeStyle, ctx.fillStyle] = [ink, ink];
    ctx.setLineDash([4, 4]);
    for (const seconds of marks) {
      const x = Math.round(plot.valToPos(seconds, "x", true));
      ctx.beginPath();
      ctx.moveTo(x, top);
      ctx.lineTo(x, top + height);
      ctx.stroke();
      ctx.beginPath();
      ctx.moveTo(x - 5, top);
      ctx.lineTo(x + 5, top);
      ctx.lineTo(x, top + 8);
      ctx.fill();
    }
    ctx.restore();
  }

  /** The box of the address, on the charts. */
  #shade() {
    for (const plot of this.#plots) shade(plot, boxOfAddress());
  }

  /** Makes a box that of the page. Times in seconds, durations in nanoseconds. */
  async #take(from, to, low, high) {
    const address = new URL(location.href);
    const durations = low === undefined ? "" : `,${Math.round(low)}ns..${Math.round(high)}ns`;
    address.searchParams.set("sel", `${textOf(from, to)}${durations}`);
    try {
      if (await this.#show(address.href)) history.pushState(null, "", address);
    } catch {
      location.assign(address);
      return;
    }
    this.#shade();
    document.getElementById("selection").scrollIntoView({ block: "nearest" });
  }

  /** Puts the part about the box in place, and the heatmap with the box drawn. */
  async #show(href) {
    this.#asked += 1;
    const mine = this.#asked;
    const answer = await fetch(href, { headers: { accept: "text/html" } });
    if (mine !== this.#asked) return false;
    if (!answer.ok) throw new Error(`${href} answered ${answer.status}`);
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const next = document.adoptNode(page.getElementById("selection"));
    document.getElementById("selection").replaceWith(next);
    const [drawn, old] = [page.querySelector(".heat-area > svg"), this.querySelector(".heat-area > svg")];
    if (drawn !== null && old !== null) old.replaceWith(document.adoptNode(drawn));
    enhance(next);
    this.#shade();
    return true;
  }
}

customElements.define("service-charts", ServiceCharts);
