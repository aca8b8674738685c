// The filters as a person sets them.
import { fromField, toField, zone } from "./text/times.js";

const { byId, focusBySlash, setText } = Hopstream.dom;
const TYPING_MS = 250; // after a letter, until the gateway is asked
const MOST_OFFERED = 500; // names: whoever writes lines can invent some
const MINUTE_MS = 60_000;
const KNOWN_CHANNELS = ["logs", "logs:errors", "logs:metrics", "logs:debug"];

export class FilterBar {
  #filters;
  #timer = null;
  #text = byId("filter-text");
  #isRegex = false; // also while nothing is looked for
  #offered = { service: new Set(), channel: new Set(KNOWN_CHANNELS) };
  isUtc = false;

  constructor(filters) {
    this.#filters = filters;
    byId("filters").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#setText(this.#text.value);
    });
    this.#text.addEventListener("input", () => this.#onTyped());
    focusBySlash(this.#text);
    byId("filter-regex").addEventListener("click", () => this.#toggleRegex());
    byId("filter-mode").addEventListener("click", () => filters.set({ mode: filters.isHighlight ? "" : "highlight" }));
    byId("filter-level").addEventListener("change", ({ target }) => filters.set({ level: target.value }));
    byId("clear-filters").addEventListener("click", () => filters.clear());
    for (const name of ["session", "request", "at"]) {
      byId(`filter-${name}`).querySelector("button").addEventListener("click", () => filters.set({ [name]: "" }));
    }
    for (const name of ["service", "channel"]) byId(`${name}-menu`).addEventListener("change", () => this.#onChosen(name));
    this.#setUpTimes();
    setUpMenus();
  }

  /** Names that can be chosen from, beside those known. */
  offer(name, values) {
    const offered = this.#offered[name];
    const before = offered.size;
    for (const value of values) if (value && offered.size < MOST_OFFERED) offered.add(value);
    if (offered.size !== before) this.#showChoices(name);
  }

  show() {
    const filters = this.#filters;
    if (filters.isRegex) this.#isRegex = true;
    else if (filters.get("q")) this.#isRegex = false;
    const text = filters.get("regex") || filters.get("q");
    if (document.activeElement !== this.#text || this.#timer === null) this.#setField(text);
    byId("filter-regex").ariaPressed = String(this.#isRegex);
    byId("filter-mode").ariaPressed = String(filters.isHighlight);
    byId("filter-level").value = filters.get("level");
    byId("filter-level").parentElement.classList.toggle("is-set", Boolean(filters.get("level")));
    for (const name of ["session", "request"]) this.#showChip(name);
    byId("filter-at").hidden = !filters.get("at");
    for (const name of ["service", "channel"]) this.#showChoices(name);
    this.#showTimes();
    byId("clear-filters").hidden = filters.isEmpty && !text;
  }

  complain(text) {
    const problem = byId("filter-problem");
    setText(problem, text);
    problem.hidden = !text;
    this.#text.ariaInvalid = String(Boolean(text));
  }

  #setField(text) {
    if (this.#text.value !== text) this.#text.value = text;
  }

  #onTyped() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#setText(this.#text.value), TYPING_MS);
  }

  #setText(text) {
    clearTimeout(this.#timer);
    this.#timer = null;
    this.#filters.set({ q: this.#isRegex ? "" : text, regex: this.#isRegex ? text : "", at: "" }, { isTyped: true });
  }

  #toggleRegex() {
    this.#isRegex = !this.#isRegex;
    byId("filter-regex").ariaPressed = String(this.#isRegex);
    if (this.#text.value) this.#setText(this.#text.value);
  }

  #showChip(name) {
    const chip = byId(`filter-${name}`);
    chip.hidden = !this.#filters.get(name);
    setText(chip.querySelector("bdi"), this.#filters.get(name));
  }

  #onChosen(name) {
    const boxes = [...byId(`${name}-menu`).querySelectorAll("input:checked")];
    this.#filters.set({ [name]: boxes.map(({ value }) => value) });
  }

  #showChoices(name) {
    const chosen = this.#filters.get(name);
    const menu = byId(`${name}-menu`);
    const names = [...new Set([...this.#offered[name], ...chosen])].sort();
    const body = menu.querySelector(".menu-body");
    const there = new Map([...body.querySelectorAll("input")].map((box) => [box.value, box]));
    if (names.length !== there.size) body.replaceChildren(...names.map((value) => choice(value, there.get(value))));
    for (const box of body.querySelectorAll("input")) box.checked = chosen.includes(box.value);
    const words = chosen.length === 0 ? `All ${name}s` : chosen.length === 1 ? chosen[0] : `${chosen.length} ${name}s`;
    const summary = menu.querySelector("summary");
    setText(summary, words);
    summary.classList.toggle("is-set", chosen.length > 0);
  }

  #setUpTimes() {
    for (const button of byId("time-menu").querySelectorAll("[data-minutes]")) {
      button.addEventListener("click", () => {
        const since = new Date(Date.now() - Number(button.dataset.minutes) * MINUTE_MS).toISOString();
        this.#filters.set({ since, until: "", at: "" });
        byId("time-menu").open = false;
      });
    }
    for (const name of ["since", "until"]) {
      byId(`filter-${name}`).addEventListener("change", ({ target }) => this.#filters.set({ [name]: fromField(target.value, this.isUtc), at: "" }));
    }
    byId("any-time").addEventListener("click", () => {
      this.#filters.set({ since: "", until: "" });
      byId("time-menu").open = false;
    });
  }

  #showTimes() {
    const [since, until] = ["since", "until"].map((name) => toField(this.#filters.get(name), this.isUtc));
    for (const [name, value] of Object.entries({ since, until })) byId(`filter-${name}`).value = value;
    const words = [since && `from ${short(since)}`, until && `to ${short(until)}`].filter(Boolean).join(" ");
    setText(byId("time-name"), words || "Any time");
    byId("time-menu").querySelector("summary").classList.toggle("is-set", Boolean(words));
    for (const label of byId("time-menu").querySelectorAll("[data-zone]")) setText(label, `(${this.isUtc ? "UTC" : `local, ${zone(Date.now(), false)}`})`);
  }
}

/** The day only where it is not today. */
function short(field) {
  const [day, clock] = field.split("T");
  return day === toField(new Date().toISOString(), false).split("T")[0] ? clock : `${day.slice(5)} ${clock}`;
}

function choice(value, there) {
  if (there) return there.closest("label");
  const label = document.createElement("label");
  const box = document.createElement("input");
  const name = document.createElement("bdi");
  box.type = "checkbox";
  box.value = value;
  name.textContent = value;
  label.className = "menu-item";
  label.append(box, name);
  return label;
}

/** A menu closes when something else is pressed, and by Escape. */
function setUpMenus() {
  document.addEventListener("click", ({ target }) => {
    for (const menu of document.querySelectorAll(".menu[open]")) if (!menu.contains(target)) menu.open = false;
  });
  document.addEventListener("keydown", (event) => {
    const menu = event.key === "Escape" && event.target.closest?.(".menu[open]");
    if (!menu) return;
    event.stopPropagation();
    menu.open = false;
    menu.querySelector("summary").focus();
  }, true);
}
