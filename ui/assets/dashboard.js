// <dashboard-panels>: asks for each panel when it comes into view, and again every so often where the page says so. A panel
// that cannot be asked says so in its place; those without data fold away where their file says so. What somebody is at, by
// the keyboard or with the pointer down, is not replaced below their hands.

import "./panel-graph.js";
import { ask, enhance } from "./main.js";
import { counted } from "./trace-format.js";

/** How many panels are asked for at once. */
const AT_ONCE = 4;
/** How far below the window panels are asked for already. */
const MARGIN = "300px";

class DashboardPanels extends HTMLElement {
  #waiting = [];
  #running = 0;
  #seen = new Set();
  /** The questions under way, each of a panel. @type {Map<Element, AbortController>} */
  #asking = new Map();
  /** The panel that the pointer is down in. */
  #pressed = null;
  #watch = null;
  #timer = null;

  connectedCallback() {
    this.panels = [...this.querySelectorAll(".dash-panel")];
    for (const panel of this.panels) {
      named(panel);
      if ("whole" in this.dataset) panel.dataset.shown = "";
    }
    this.addEventListener("pointerdown", (event) => { this.#pressed = event.target.closest(".dash-panel"); });
    for (const end of ["pointerup", "pointercancel"]) addEventListener(end, this.#released, true);
    this.#watch = new IntersectionObserver((entries) => entries.forEach((entry) => this.#came(entry)), { rootMargin: MARGIN });
    for (const panel of this.panels) this.#watch.observe(panel);
    const every = Number(this.dataset.refresh ?? 0);
    if (every > 0) this.#timer = setInterval(() => document.hidden || this.#again(), every);
    for (const field of document.querySelectorAll(".variables select")) field.addEventListener("change", () => field.form.requestSubmit());
  }

  disconnectedCallback() {
    this.#watch?.disconnect();
    clearInterval(this.#timer);
    for (const end of ["pointerup", "pointercancel"]) removeEventListener(end, this.#released, true);
    for (const asking of this.#asking.values()) asking.abort();
  }

  #released = () => { this.#pressed = null; };

  #came({ target, isIntersecting }) {
    if (isIntersecting) this.#seen.add(target);
    else this.#seen.delete(target);
    if (isIntersecting && !("asked" in target.dataset) && !("whole" in this.dataset)) this.#want(target);
  }

  /** Panels in view, and those that are folded away: data may have come. Neither what is asked already nor what is held. */
  #again() {
    const isWanted = (panel) => (this.#seen.has(panel) || panel.hidden) && !this.#asking.has(panel) && !this.#isHeld(panel);
    for (const panel of this.panels.filter(isWanted)) this.#want(panel);
  }

  /** Whether what a panel shows has the focus, or is dragged over. */
  #isHeld(panel) {
    return this.#pressed === panel || panel.querySelector(".drawn").contains(document.activeElement);
  }

  #want(panel) {
    panel.dataset.asked = "";
    if (!this.#waiting.includes(panel)) this.#waiting.push(panel);
    this.#next();
  }

  #next() {
    while (this.#running < AT_ONCE && this.#waiting.length > 0) {
      this.#running += 1;
      this.#show(this.#waiting.shift()).finally(() => {
        this.#running -= 1;
        this.#next();
      });
    }
  }

  async #show(panel) {
    this.#asking.get(panel)?.abort();
    const asking = new AbortController();
    this.#asking.set(panel, asking);
    panel.setAttribute("aria-busy", "true");
    try {
      const answer = await ask(panel.dataset.source, { headers: { accept: "text/html" }, signal: asking.signal });
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const drawn = page.querySelector(".drawn");
      if (!answer.ok || drawn === null) throw new Error(page.querySelector("main p")?.textContent ?? `it was answered with ${answer.status}`);
      if (!asking.signal.aborted) this.#put(panel, document.adoptNode(drawn));
    } catch (error) {
      // Whoever asked anew has stopped this one.
      if (!asking.signal.aborted) this.#put(panel, this.#failed(panel, error));
    } finally {
      if (this.#asking.get(panel) === asking) {
        this.#asking.delete(panel);
        panel.removeAttribute("aria-busy");
      }
    }
  }

  /** Puts what was drawn in its place. What was drawn before stays while it is held. */
  #put(panel, drawn) {
    if ("shown" in panel.dataset && this.#isHeld(panel)) return;
    panel.dataset.shown = "";
    panel.querySelector(".drawn").replaceWith(drawn);
    enhance(drawn);
    named(panel);
    panel.hidden = "hideEmpty" in panel.dataset && "empty" in drawn.dataset;
    const folded = this.panels.filter((each) => each.hidden).length;
    const words = this.querySelector("[data-left-out]");
    words.hidden = folded === 0;
    words.textContent = `${counted(folded, "panel")} without data`;
  }

  /** That there is no answer, and a way to ask once more. */
  #failed(panel, error) {
    const place = document.createElement("div");
    place.className = "drawn";
    const words = document.createElement("p");
    words.className = "failure";
    words.textContent = `This panel is not answered: ${error.message}. `;
    const button = document.createElement("button");
    button.type = "button";
    button.className = "button";
    button.textContent = "Again";
    button.addEventListener("click", () => {
      // The button will be gone: the focus waits at its panel.
      panel.tabIndex = -1;
      panel.focus();
      words.textContent = "Waiting for its answer …";
      button.remove();
      delete panel.dataset.shown;
      this.#want(panel);
    });
    place.append(words, button);
    return place;
  }
}

/** Names the list of series by its panel. */
function named(panel) {
  panel.querySelector(".legend")?.setAttribute("aria-label", `Series of ${panel.getAttribute("aria-label")}`);
}

customElements.define("dashboard-panels", DashboardPanels);
