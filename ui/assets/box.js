// <causeway-box>: a stretch of time can be dragged in the histogram that it holds, or chosen with the arrow keys. What
// can be done with it are links that the server wrote, with BOX where the stretch is to stand.

import { rfc3339, written, zone } from "./times.js";

const SVG = "http://www.w3.org/2000/svg";
/** How far the pointer moves before it drags, in pixels. */
const DRAG_PX = 4;

class TimeBox extends HTMLElement {
  connectedCallback() {
    this.svg = this.querySelector("svg");
    this.band = this.querySelector(".band");
    this.acts = this.querySelector(".box-acts");
    this.from = BigInt(this.dataset.from);
    this.to = BigInt(this.dataset.to);
    this.step = BigInt(this.dataset.step);
    this.bars = Math.max(1, Math.round(Number(this.to - this.from) / Number(this.step)));
    this.svg.setAttribute("tabindex", "0");
    this.svg.setAttribute("aria-roledescription", "chart of time: arrow keys move a box, with Shift they widen it, Enter zooms in");
    this.svg.addEventListener("pointerdown", (event) => this.press(event));
    this.svg.addEventListener("keydown", (event) => this.key(event));
    // What was dragged is no press on the bar below it.
    this.svg.addEventListener("click", (event) => this.dragged && event.preventDefault(), true);
    this.svg.addEventListener("dragstart", (event) => event.preventDefault());
    if (!this.acts.hidden) this.bounds = this.shown();
  }

  /** The bars of the band that the server drew. */
  shown() {
    const share = (name) => Number.parseFloat(this.band.getAttribute(name)) / 100;
    const first = Math.round(share("x") * this.bars);
    return [first, Math.max(first + 1, Math.round((share("x") + share("width")) * this.bars))];
  }

  at(event) {
    const box = this.svg.getBoundingClientRect();
    return Math.min(1, Math.max(0, (event.clientX - box.left) / box.width));
  }

  press(event) {
    if (event.button !== 0 || event.pointerType === "touch") return;
    const begun = event.clientX;
    const first = this.at(event);
    this.dragged = false;
    const move = (moved) => {
      if (!this.dragged && Math.abs(moved.clientX - begun) < DRAG_PX) return;
      this.dragged = true;
      const [a, b] = [first, this.at(moved)].sort((one, other) => one - other);
      this.draw(Math.floor(a * this.bars), Math.max(Math.ceil(b * this.bars), Math.floor(a * this.bars) + 1));
    };
    const end = () => {
      removeEventListener("pointermove", move);
      removeEventListener("pointerup", end);
      removeEventListener("pointercancel", end);
      if (this.dragged) this.keep(true);
      setTimeout(() => (this.dragged = false));
    };
    addEventListener("pointermove", move);
    addEventListener("pointerup", end);
    addEventListener("pointercancel", end);
  }

  /** Draws a box from one bar to before another. */
  draw(first, after) {
    this.bounds = [Math.max(0, first), Math.min(this.bars, after)];
    const percent = (bars) => `${(bars / this.bars) * 100}%`;
    this.band.setAttribute("x", percent(this.bounds[0]));
    this.band.setAttribute("width", percent(this.bounds[1] - this.bounds[0]));
  }

  /** The ends of the box, in nanoseconds. */
  ends() {
    const [first, after] = this.bounds;
    const to = this.from + BigInt(after) * this.step;
    return [this.from + BigInt(first) * this.step, to < this.to ? to : this.to];
  }

  /** The box as addresses have it. */
  text() {
    return this.ends().map((nanos) => rfc3339(nanos, 9)).join("..");
  }

  /** The box for people, to the second. */
  words() {
    return `${this.ends().map((nanos) => written(nanos, { digits: 0 })).join(" to ")} ${zone}`;
  }

  /** Offers what can be done with the box, and puts it into the address. */
  keep(isCommitted) {
    const text = this.text();
    for (const link of this.acts.querySelectorAll("[data-pattern]")) {
      link.href = link.dataset.pattern.replace("BOX", encodeURIComponent(text));
    }
    this.acts.querySelector(".box-words").textContent = this.words();
    this.acts.hidden = false;
    const here = new URL(location.href);
    here.searchParams.set("sel", text);
    history[isCommitted ? "pushState" : "replaceState"](null, "", here);
    this.dispatchEvent(new CustomEvent("causeway-address", { bubbles: true }));
  }

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const [first, after] = this.bounds ?? [this.bars - 1, this.bars];
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (step !== undefined) {
      event.preventDefault();
      event.stopPropagation();
      if (this.bounds === undefined) this.draw(first, after);
      else if (event.shiftKey) this.draw(first, Math.max(first + 1, after + step));
      else if (first + step >= 0 && after + step <= this.bars) this.draw(first + step, after + step);
      this.keep(this.acts.hidden);
    } else if (event.key === "Enter" && this.bounds !== undefined && event.target === this.svg) {
      event.preventDefault();
      const zoom = [...this.acts.querySelectorAll("[data-pattern]")].find((link) => link.textContent === "Zoom in");
      zoom?.click();
    }
  }
}

customElements.define("causeway-box", TimeBox);
