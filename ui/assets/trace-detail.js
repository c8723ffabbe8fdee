// What is known of the chosen row, beside the rows: rendered by the server, put in place here, with a box that filters
// the attributes, how common a value is, and how the duration compares.

import { ask, enhance } from "./main.js";
import { rfc3339 } from "./times.js";
import { isWhole, ofOperation } from "./trace-find.js";
import { count } from "./trace-format.js";
import { element } from "./trace-grid.js";

/** What is compared is within so long before and after, in nanoseconds: an hour. */
const AROUND = 3_600_000_000_000n;

export class Details {
  #asked = 0;

  constructor(trace) {
    this.trace = trace;
  }

  /** Shows the detail of a row, or none. */
  async show(row) {
    this.#asked += 1;
    const mine = this.#asked;
    if (row === null) return this.#put(null);
    const { href, model } = this.trace;
    const address = `${href}/detail?${new URLSearchParams({ outline: model.head.outline, row: String(row) })}`;
    const answer = await ask(address, { headers: { accept: "text/html" } });
    const text = await answer.text();
    if (mine !== this.#asked) return;
    const page = new DOMParser().parseFromString(text, "text/html");
    const aside = page.getElementById("detail");
    if (!answer.ok || aside === null) throw new Error(page.querySelector("main p")?.textContent ?? `the detail could not be shown (${answer.status})`);
    this.#put(document.adoptNode(aside));
  }

  #put(aside) {
    const root = document.getElementById("trace");
    document.getElementById("detail")?.remove();
    root.classList.toggle("chosen", aside !== null);
    if (aside === null) return;
    root.querySelector(".split").append(aside);
    this.enrich(aside);
  }

  /** Adds what script can to a detail. */
  enrich(aside) {
    enhance(aside);
    this.#filter(aside);
    const { service, name } = aside.dataset;
    if (name === undefined || !isWhole(service) || !isWhole(name)) return;
    this.#common(aside);
    this.#compare(aside);
  }

  #filter(aside) {
    const lists = [...aside.querySelectorAll(".attributes")];
    if (lists.length === 0) return;
    const label = element("label", "field attribute-filter");
    const words = element("span", "vh");
    words.textContent = "Filter the attributes";
    const input = element("input", "", { type: "search", placeholder: "Filter the attributes", autocomplete: "off", spellcheck: "false" });
    label.append(words, input);
    lists[0].before(label);
    input.addEventListener("input", () => {
      const wanted = input.value.trim().toLowerCase();
      for (const list of lists) {
        let left = 0;
        for (const entry of list.querySelectorAll("dl > div")) {
          entry.hidden = !entry.textContent.toLowerCase().includes(wanted);
          left += entry.hidden ? 0 : 1;
        }
        list.hidden = left === 0;
      }
    });
  }

  /** A button beside each value that can be searched for: how common it is among spans of the same operation. */
  #common(aside) {
    for (const link of aside.querySelectorAll(".attributes .acts a")) {
      const term = new URL(link.href).searchParams.get("q");
      if (term === null) continue;
      const key = link.closest("dd").previousElementSibling.textContent;
      const button = element("button", "ghost", { type: "button", title: "How common is this value?" });
      const hidden = element("span", "vh");
      hidden.textContent = `How common is this value of ${key}?`;
      const sign = element("span", "", { "aria-hidden": "true" });
      sign.textContent = "%";
      button.append(sign, hidden);
      button.addEventListener("click", () => this.#tell(aside, link, term));
      link.after(button);
    }
  }

  async #tell(aside, link, term) {
    const place = link.closest("dd");
    let told = place.querySelector(".told");
    if (told === null) {
      told = element("p", "told soft", { role: "status" });
      place.append(told);
    }
    told.textContent = "counting…";
    try {
      const all = await this.#total(aside, "");
      const some = await this.#total(aside, term);
      const share = all === 0 ? "–" : percent(some / all);
      told.textContent = `${share} of ${count(all)} spans of this operation, an hour before and after`;
    } catch (error) {
      told.textContent = error.message;
    }
  }

  /** How many spans of the operation, around the span, match a term. */
  async #total(aside, term) {
    const { service, name, start } = aside.dataset;
    const q = `${ofOperation(service, name)} ${term}`.trim();
    const from = BigInt(start) - AROUND;
    const parameters = { q, limit: "0", histogram: "1", from: rfc3339(from), to: rfc3339(BigInt(start) + AROUND) };
    const answer = await ask(`/api/spans?${new URLSearchParams(parameters)}`);
    const said = await answer.json();
    if (!answer.ok) throw new Error(said.error?.message ?? `counting was answered ${answer.status}`);
    return said.total ?? 0;
  }

  /** Where the duration stands among those of the same operation. */
  async #compare(aside) {
    const facts = aside.querySelector(".facts");
    const entry = element("div");
    const term = element("dt");
    term.textContent = "Among its like";
    const place = element("dd");
    const told = element("span", "", { role: "status" });
    told.textContent = "…";
    place.append(told);
    entry.append(term, place);
    facts?.append(entry);
    try {
      const all = await this.#total(aside, "");
      const shorter = await this.#total(aside, `duration<${aside.dataset.duration}ns`);
      told.textContent = all > 1 ? `longer than ${percent(shorter / (all - 1))} of ${count(all - 1)} others` : "the only one within an hour";
    } catch (error) {
      told.textContent = error.message;
    }
  }
}

const percent = (share) => `${(Math.min(1, share) * 100).toFixed(share > 0 && share < 0.1 ? 1 : 0)} %`;
