// What charts that are dragged over share: colours, axes, and the ways to select in them, by pointer and by keyboard.

import { say } from "./main.js";
import { rfc3339, written, zone } from "./times.js";

export const NANOS = 1e9;
/** A drag shorter than this many pixels is a click. */
const DRAG_MIN = 4;

/** A colour of the style sheet as the canvas takes it. @param {Element} root @param {string} name @param {string} [kind] class that sets it */
export function colour(root, name, kind = "") {
  const probe = root.appendChild(document.createElement("i"));
  probe.className = kind;
  probe.style.color = `var(${name})`;
  const found = getComputedStyle(probe).color;
  probe.remove();
  return found;
}

const nanos = (seconds) => BigInt(Math.round(seconds * 1000)) * 1_000_000n;

/** A time of an axis. @param {number} seconds */
export const clock = (seconds) => written(nanos(seconds), { date: false, digits: 0 }).slice(0, 5);

/** A time in the zone of the page. @param {number} seconds */
export const inZone = (seconds) => uPlot.tzDate(new Date(seconds * 1000), zone);

/** Both axes. @param {{ axis: string, grid: string }} css colours @param {(value: number) => string} text */
export function axes(css, text) {
  const axis = { stroke: css.axis, grid: { stroke: css.grid, width: 1 }, ticks: { show: false }, font: "11px system-ui, sans-serif" };
  return [
    { ...axis, size: 22, values: (_, splits) => splits.map(clock) },
    { ...axis, size: 58, values: (_, splits) => splits.map(text) },
  ];
}

/** A stretch of time as addresses have it. @param {number} from seconds @param {number} to */
export const textOf = (from, to) => `${rfc3339(nanos(from))}..${rfc3339(nanos(to))}`;

/** The stretch of time that the address selects, in seconds. */
export function boxOfAddress() {
  const times = (new URLSearchParams(location.search).get("sel") ?? "").split(",")[0].split("..").map((text) => Date.parse(text) / 1000);
  return times.length === 2 && times.every(Number.isFinite) ? times : null;
}

/** Shows a stretch of time on a chart. @param {number[] | null} range in seconds */
export function shade(plot, range) {
  const [left, right] = range === null ? [0, 0] : range.map((seconds) => Math.max(0, plot.valToPos(seconds, "x")));
  plot.setSelect({ left, width: Math.max(0, right - left), top: 0, height: plot.over.clientHeight }, false);
}

/** Takes what was dragged over a chart, in whole steps. @param {(from: number, to: number) => void} take */
export function dragged(plot, step, take) {
  const { left, width } = plot.select;
  if (width < DRAG_MIN) return;
  const snap = (pixels, round) => round(plot.posToVal(pixels, "x") / step) * step;
  take(snap(left, Math.floor), snap(left + width, Math.ceil));
}

/** The keyboard's way to drag. @param {(from: number, to: number) => void} take */
export function dragKeys(place, plot, times, step, take) {
  let [at, anchor] = [times.length - 1, null];
  const show = () => {
    plot.setCursor({ left: plot.valToPos(times[at], "x"), top: 10 });
    const [from, to] = [Math.min(at, anchor ?? at), Math.max(at, anchor ?? at)];
    shade(plot, anchor === null ? null : [times[from], times[to] + step]);
    const name = (seconds) => written(nanos(seconds), { date: false, digits: 0 });
    say(anchor === null ? name(times[at]) : `${name(times[from])} to ${name(times[to] + step)}`);
  };
  place.addEventListener("keydown", (event) => {
    const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (by !== undefined) {
      anchor = event.shiftKey ? (anchor ?? at) : null;
      at = Math.max(0, Math.min(times.length - 1, at + by));
      show();
    } else if (event.key === "Enter") take(times[Math.min(at, anchor ?? at)], times[Math.max(at, anchor ?? at)] + step);
    else return;
    event.preventDefault();
    event.stopPropagation();
  });
}

/** Lets the heatmaps of an element be dragged over. @param {(from: number, to: number, low: number, high: number) => void} take */
export function heatDrag(root, take) {
  for (const area of root.querySelectorAll(".heat-area")) dragOver(area, take);
}

function dragOver(area, take) {
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
    if (event.button !== 0 || event.target.closest("a") !== null) return;
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
    take(seconds(Math.min(one.x, two.x)), seconds(Math.max(one.x, two.x)), band(bottom, Math.floor), band(top, Math.ceil));
  });
}
