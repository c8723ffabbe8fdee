// <service-charts>: the charts of a service as ones that are dragged over. What the server drew stays where this does not
// run. A box that was dragged goes into the address as `sel`, and the page's part about it is fetched and put in place.

import { enhance, say } from "./main.js";
import { rfc3339, written, zone } from "./times.js";
import { duration } from "./trace-format.js";

const NANOS = 1e9;
const HEIGHT = 116;
/** A drag shorter than this many pixels is a click. */
const DRAG_MIN = 4;
const FIGURES = {
  calls: { value: (point, minutes) => point.calls / minutes, colour: "--chart", unit: "" },
  errors: { value: (point, minutes) => point.errors / minutes, colour: "--bad", unit: "" },
  p95: { value: (point) => point.p95_ns, colour: "--chart", unit: "ns" },
};

/** A colour of the style sheet as the canvas takes it. */
function colour(root, name) {
  const probe = root.appendChild(document.createElement("i"));
  probe.style.color = `var(${name})`;
  const found = getComputedStyle(probe).color;
  probe.remove();
  return found;
}

class ServiceCharts extends HTMLElement {
  #plots = [];
  #asked = 0;

  async connectedCallback() {
    this.#heat();
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
      this.#keys(place, plot, times, length);
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
    const axis = { stroke: css.axis, grid: { stroke: css.grid, width: 1 }, ticks: { show: false }, font: "11px system-ui, sans-serif" };
    const text = (value) => (unit === "ns" ? duration(value) : String(Number(value.toPrecision(3))));
    return {
      width,
      height: HEIGHT,
      tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), zone),
      legend: { show: false },
      cursor: { y: false, drag: { x: true, y: false, setScale: false }, sync: { key: "service" }, points: { show: false } },
      scales: { y: { range: (_, __, most) => [0, most > 0 ? most * 1.05 : 1] } },
      axes: [{ ...axis, size: 22, values: (_, splits) => splits.map((seconds) => this.#clock(seconds)) }, { ...axis, size: 58, values: (_, splits) => splits.map(text) }],
      series: [{}, { fill, width: 0, paths: uPlot.paths.bars({ size: [0.85, 60], align: 1 }), points: { show: false } }],
      hooks: { setSelect: [(plot) => this.#dragged(plot, length)], draw: [(plot) => this.#drawMarks(plot, marks, css.ink)] },
    };
  }

  #clock(seconds) {
    return written(BigInt(Math.round(seconds)) * 1_000_000_000n, { date: false, digits: 0 }).slice(0, 5);
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

  #dragged(plot, length) {
    const { left, width } = plot.select;
    if (width < DRAG_MIN) return;
    const snap = (pixels, round) => round(plot.posToVal(pixels, "x") / length) * length;
    this.#take(snap(left, Math.floor), snap(left + width, Math.ceil));
  }

  /** The keyboard's way to drag. */
  #keys(place, plot, times, length) {
    let [at, anchor] = [times.length - 1, null];
    const show = () => {
      plot.setCursor({ left: plot.valToPos(times[at], "x"), top: 10 });
      const [from, to] = [Math.min(at, anchor ?? at), Math.max(at, anchor ?? at)];
      const left = plot.valToPos(times[from], "x");
      plot.setSelect({ left, width: anchor === null ? 0 : plot.valToPos(times[to] + length, "x") - left, top: 0, height: plot.over.clientHeight }, false);
      const name = (seconds) => written(BigInt(Math.round(seconds)) * 1_000_000_000n, { date: false, digits: 0 });
      say(anchor === null ? name(times[at]) : `${name(times[from])} to ${name(times[to] + length)}`);
    };
    place.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      if (step !== undefined) {
        anchor = event.shiftKey ? (anchor ?? at) : null;
        at = Math.max(0, Math.min(times.length - 1, at + step));
        show();
      } else if (event.key === "Enter") this.#take(times[Math.min(at, anchor ?? at)], times[Math.max(at, anchor ?? at)] + length);
      else return;
      event.preventDefault();
      event.stopPropagation();
    });
  }

  /** The box of the address, on the charts. */
  #shade() {
    const range = this.#boxOfAddress();
    for (const plot of this.#plots) {
      const [left, right] = range === null ? [0, 0] : range.map((seconds) => Math.max(0, plot.valToPos(seconds, "x")));
      plot.setSelect({ left, width: Math.max(0, right - left), top: 0, height: plot.over.clientHeight }, false);
    }
  }

  #boxOfAddress() {
    const times = (new URLSearchParams(location.search).get("sel") ?? "").split(",")[0].split("..").map((text) => Date.parse(text) / 1000);
    return times.length === 2 && times.every(Number.isFinite) ? times : null;
  }

  /** Dragging over the heatmap selects times and durations. */
  #heat() {
    const area = this.querySelector(".heat-area");
    if (area === null) return;
    const { from, to, bounds } = area.closest("figure").dataset;
    const edges = bounds.split(" ").map(Number);
    let begun = null;
    const box = document.createElement("div");
    box.className = "drag";
    box.hidden = true;
    area.append(box);
    const at = (event) => {
      const { left, top, width, height } = area.getBoundingClientRect();
      const inside = (value, most) => Math.max(0, Math.min(value, most));
      return { x: inside(event.clientX - left, width), y: inside(event.clientY - top, height), width, height };
    };
    area.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      begun = at(event);
      area.setPointerCapture(event.pointerId);
      event.preventDefault();
    });
    area.addEventListener("pointermove", (event) => {
      if (begun === null) return;
      const now = at(event);
      box.hidden = false;
      Object.assign(box.style, { left: `${Math.min(begun.x, now.x)}px`, top: `${Math.min(begun.y, now.y)}px`, width: `${Math.abs(begun.x - now.x)}px`, height: `${Math.abs(begun.y - now.y)}px` });
    });
    area.addEventListener("pointercancel", () => { begun = null; box.hidden = true; });
    area.addEventListener("pointerup", (event) => {
      if (begun === null) return;
      const [one, two] = [begun, at(event)];
      begun = null;
      box.hidden = true;
      if (Math.abs(one.x - two.x) < DRAG_MIN) return;
      const seconds = (x) => (Number(from) + (x / one.width) * (Number(to) - Number(from))) / NANOS;
      const band = (y, round) => edges[Math.max(0, Math.min(edges.length - 1, round((1 - y / one.height) * (edges.length - 1))))];
      const [top, bottom] = [Math.min(one.y, two.y), Math.max(one.y, two.y)];
      this.#take(seconds(Math.min(one.x, two.x)), seconds(Math.max(one.x, two.x)), band(bottom, Math.floor), band(top, Math.ceil));
    });
  }

  /** Makes a box that of the page. Times in seconds, durations in nanoseconds. */
  async #take(from, to, low, high) {
    const time = (seconds) => rfc3339(BigInt(Math.round(seconds * 1000)) * 1_000_000n);
    const address = new URL(location.href);
    const durations = low === undefined ? "" : `,${Math.round(low)}ns..${Math.round(high)}ns`;
    address.searchParams.set("sel", `${time(from)}..${time(to)}${durations}`);
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
