// <panel-graph>: a graph that the server drew becomes one that is pointed at and dragged over. Graphs of a page share one
// crosshair; a stretch of time that was dragged becomes the time of the page.

import { figure } from "./figure.js";
import { say } from "./main.js";
import { rfc3339, written, zone } from "./times.js";

/** A drag shorter than this many pixels is a click. */
const DRAG_MIN = 4;
const FONT = "11px system-ui, sans-serif";
/** Graphs share where the pointer is, and not that it is pressed: one drag is that of one graph. */
const SYNC = { key: "dashboard", filters: { pub: (type) => type !== "mousedown" && type !== "mouseup" } };
const LEVELS = { good: "--good", warn: "--warn", bad: "--bad" };

/** The colour of a property of the style sheet, or of a series, as the canvas takes it. */
function colour(root, name, series) {
  const probe = root.appendChild(document.createElement("i"));
  if (series !== undefined) probe.className = `c${series}`;
  probe.style.color = `var(${name})`;
  const found = getComputedStyle(probe).color;
  probe.remove();
  return found;
}

const nanos = (ms) => BigInt(Math.round(ms)) * 1_000_000n;

/** Sums of each series and those before it; a gap adds nothing. */
function stacked(columns) {
  const sums = new Array(columns[0]?.length ?? 0).fill(0);
  return columns.map((values) => values.map((value, at) => (value === null ? null : (sums[at] += value))));
}

class PanelGraph extends HTMLElement {
  #plot = null;
  #resized = null;

  connectedCallback() {
    if (typeof uPlot === "undefined" || this.#plot !== null) return;
    this.graph = JSON.parse(this.dataset.graph);
    this.times = (this.graph.series[0]?.values ?? []).map((_, at) => (this.graph.from + at * this.graph.step) / 1000);
    if (this.times.length < 2) return;
    this.#draw();
  }

  disconnectedCallback() {
    this.#resized?.disconnect();
    this.#plot?.destroy();
  }

  #draw() {
    const area = this.querySelector(".graph-area");
    const drawn = area.querySelector("svg");
    const place = document.createElement("div");
    place.className = "plot";
    place.tabIndex = 0;
    place.setAttribute("role", "group");
    place.setAttribute("aria-label", `${drawn.getAttribute("aria-label")}. Arrow keys move, with Shift they select, Enter shows that time.`);
    const columns = this.graph.series.map(({ values }) => values);
    const size = () => ({ width: Math.max(80, area.clientWidth), height: Math.max(80, area.clientHeight) });
    const data = [this.times, ...(this.graph.stack ? stacked(columns) : columns)];
    const options = { ...size(), ...this.#options() };
    drawn.replaceWith(place);
    this.#plot = new uPlot(options, data, place);
    this.#keys(place);
    this.#resized = new ResizeObserver(() => this.#plot.setSize(size()));
    this.#resized.observe(area);
  }

  #options() {
    const { unit, series, thresholds, stack } = this.graph;
    const axis = { stroke: colour(this, "--soft"), grid: { stroke: colour(this, "--line-soft"), width: 1 }, ticks: { show: false }, font: FONT };
    const line = ({ name, colour: number }) => {
      const stroke = colour(this, "--c", number);
      return { label: name, stroke, width: 1.5, spanGaps: false, fill: stack ? stroke.replace("rgb(", "rgba(").replace(")", ", 0.18)") : undefined, points: { show: (plot, at, from, to) => to - from < 1 } };
    };
    const marks = thresholds.map(({ from, level }) => [from, colour(this, LEVELS[level])]);
    const clock = (seconds) => written(nanos(seconds * 1000), { date: false, digits: 0 }).slice(0, 5);
    return {
      tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), zone),
      legend: { show: false },
      cursor: { y: false, drag: { x: true, y: false, setScale: false }, sync: SYNC, points: { size: 5 } },
      scales: { y: { range: (_, low, high) => [Math.min(0, low ?? 0), high > 0 ? high * 1.05 : 1] } },
      axes: [{ ...axis, size: 22, values: (_, splits) => splits.map(clock) }, { ...axis, size: 62, values: (_, splits) => splits.map((value) => figure(value, unit)) }],
      series: [{}, ...series.map(line)],
      hooks: { setSelect: [(plot) => this.#dragged(plot)], setCursor: [(plot) => this.#pointed(plot)], draw: [(plot) => this.#thresholds(plot, marks)] },
    };
  }

  /** The figures of the legend are those at the crosshair. */
  #pointed(plot) {
    const at = plot.cursor.idx;
    const cells = this.closest(".drawn")?.querySelectorAll(".legend [data-value]") ?? [];
    this.graph.series.forEach(({ values }, number) => {
      const cell = cells[number];
      if (cell === undefined) return;
      cell.dataset.last ??= cell.textContent;
      const value = at === null || at === undefined ? undefined : values[at];
      cell.textContent = value === undefined ? cell.dataset.last : figure(value, this.graph.unit);
    });
  }

  #thresholds(plot, marks) {
    const { ctx, bbox: { left, top, width, height } } = plot;
    ctx.save();
    ctx.setLineDash([5, 4]);
    for (const [value, stroke] of marks) {
      const y = Math.round(plot.valToPos(value, "y", true));
      if (y < top || y > top + height) continue;
      ctx.strokeStyle = stroke;
      ctx.beginPath();
      ctx.moveTo(left, y);
      ctx.lineTo(left + width, y);
      ctx.stroke();
    }
    ctx.restore();
  }

  #dragged(plot) {
    const { left, width } = plot.select;
    if (width >= DRAG_MIN) this.#take(plot.posToVal(left, "x") * 1000, plot.posToVal(left + width, "x") * 1000);
  }

  /** The keyboard's way to point and to drag. */
  #keys(place) {
    let [at, anchor] = [this.times.length - 1, null];
    place.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      if (step !== undefined) {
        anchor = event.shiftKey ? (anchor ?? at) : null;
        at = Math.max(0, Math.min(this.times.length - 1, at + step));
        this.#point(at, anchor);
      } else if (event.key === "Enter" && anchor !== null) this.#take(this.times[Math.min(at, anchor)] * 1000, this.times[Math.max(at, anchor)] * 1000);
      else return;
      event.preventDefault();
      event.stopPropagation();
    });
  }

  #point(at, anchor) {
    const left = (place) => this.#plot.valToPos(this.times[place], "x");
    this.#plot.setCursor({ left: left(at), top: 10 });
    const [from, to] = [Math.min(at, anchor ?? at), Math.max(at, anchor ?? at)];
    this.#plot.setSelect({ left: left(from), width: left(to) - left(from), top: 0, height: this.#plot.over.clientHeight }, false);
    const name = (place) => written(nanos(this.times[place] * 1000), { date: false, digits: 0 });
    const values = this.graph.series.slice(0, 5).map(({ name: of, values: all }) => `${of} ${figure(all[at], this.graph.unit)}`);
    say(anchor === null ? `${name(at)}: ${values.join(", ")}` : `${name(from)} to ${name(to)}`);
  }

  /** Makes a stretch the time of the page. Milliseconds. */
  #take(from, to) {
    if (to <= from) return;
    const address = new URL(location.href);
    address.searchParams.set("t", `${rfc3339(nanos(from))}..${rfc3339(nanos(to))}`);
    location.assign(address);
  }
}

customElements.define("panel-graph", PanelGraph);
