// <promql-queries>: the rows of queries. One is added, taken away and switched off without a way to the server and back
// that would lose what was typed; what is empty stays out of the address.

import "./promql-query.js";

class PromqlQueries extends HTMLElement {
  connectedCallback() {
    this.form = this.closest("form");
    this.form.addEventListener("click", (event) => this.#click(event));
    this.form.addEventListener("formdata", ({ formData }) => this.#write(formData));
    this.most = Number(this.dataset.most);
    this.#room();
    this.addEventListener("change", (event) => event.target.name === "off" && this.form.requestSubmit());
  }

  get rows() {
    return [...this.querySelectorAll(".promql-row")];
  }

  #click(event) {
    const [add, remove] = ["[data-add]", "[data-remove]"].map((selector) => event.target.closest(selector));
    if (add === null && remove === null) return;
    event.preventDefault();
    if (add === null) this.#remove(remove.closest(".promql-row"));
    else this.#add();
  }

  #add() {
    if (this.rows.length >= this.most) return;
    const last = this.rows.at(-1);
    const row = last.cloneNode(true);
    const [field, old] = [row.querySelector("promql-query"), last.querySelector("promql-query")];
    row.querySelector("ul")?.remove();
    const area = field.querySelector("textarea");
    for (const name of ["aria-invalid", "aria-describedby", "aria-controls", "aria-activedescendant", "data-query"]) area.removeAttribute(name);
    area.value = "";
    row.querySelector("[name='off']").checked = false;
    this.#number(row, Number(last.dataset.number) + 1);
    old.close();
    last.after(row);
    this.#room();
    area.focus();
  }

  /** Offers another query, or says that there is no room for it. */
  #room() {
    const isFull = this.rows.length >= this.most;
    this.form.querySelector("[data-add]").disabled = isFull;
    document.getElementById("queries-most").hidden = !isFull;
  }

  /** Gives a row its number, in all that names it. */
  #number(row, number) {
    row.dataset.number = String(number);
    row.querySelector("textarea").id = `q-${number}`;
    row.querySelector("promql-query label").htmlFor = `q-${number}`;
    row.querySelector("promql-query label").textContent = `Query ${number}`;
    row.querySelector(".off .vh").textContent = ` (query ${number})`;
    row.querySelector("[data-remove] .vh").textContent = `Remove query ${number}`;
  }

  #remove(row) {
    const wasAsked = row.querySelector("textarea").defaultValue.trim() !== "";
    if (this.rows.length > 1) row.remove();
    else row.querySelector("textarea").value = "";
    this.#room();
    if (wasAsked) this.form.requestSubmit();
    else this.rows[0].querySelector("textarea").focus();
  }

  /** The queries that are sent: those with a text, and the numbers of those that are off. @param {FormData} data */
  #write(data) {
    const others = [...data].filter(([name, value]) => name !== "q" && name !== "off" && (name !== "step" || value.trim() !== ""));
    for (const [name] of [...data]) data.delete(name);
    const asked = this.rows.filter((row) => row.querySelector("textarea").value.trim() !== "");
    for (const row of asked) data.append("q", row.querySelector("textarea").value.trim());
    for (const [at, row] of asked.entries()) {
      if (row.querySelector("[name='off']").checked) data.append("off", String(at + 1));
    }
    for (const [name, value] of others) data.append(name, value);
  }
}

customElements.define("promql-queries", PromqlQueries);
