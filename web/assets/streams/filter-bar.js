// The controls of the filters: text, goal, model, and the counts, each of which shows its status alone.
"use strict";

(() => {
  const { STATUSES, figures } = Hopstream;
  const { byId, focusBySlash } = Hopstream.dom;
  const TYPED_MS = 200;
  const LISTED_GOALS = 200;

  class FilterBar {
    #filters;
    #text = byId("filter-text");
    #goal = byId("filter-goal");
    #model = byId("filter-model");
    #clear = byId("clear-filters");
    #typed = null;
    #goals = "";

    constructor(filters) {
      this.#filters = filters;
      byId("filters").addEventListener("submit", (event) => event.preventDefault());
      this.#text.addEventListener("input", () => {
        clearTimeout(this.#typed);
        this.#typed = setTimeout(() => filters.set({ q: this.#text.value }, { isTyped: true }), TYPED_MS);
      });
      this.#goal.addEventListener("change", () => filters.set({ goal: this.#goal.value }));
      this.#goal.addEventListener("input", () => this.#isListed(this.#goal.value) && filters.set({ goal: this.#goal.value }));
      this.#model.addEventListener("change", () => filters.set({ model: this.#model.value }));
      this.#clear.addEventListener("click", () => this.clear());
      byId("clear-all").addEventListener("click", () => this.clear());
      byId("counts").addEventListener("click", ({ target }) => this.#onCount(target.closest("button")));
      document.addEventListener("keydown", (event) => event.key === "Escape" && this.#onEscape(event));
      focusBySlash(this.#text);
      this.#goal.closest("label").hidden = filters.pageGoal !== null;
      this.show();
    }

    /** The focus goes to where the next filter is typed: the button vanishes. */
    clear() {
      clearTimeout(this.#typed);
      this.#filters.clear();
      this.#text.focus();
    }

    /** What the address says. */
    show() {
      clearTimeout(this.#typed);
      const filters = this.#filters;
      if (this.#text.value !== filters.get("q")) this.#text.value = filters.get("q");
      this.#goal.value = filters.get("goal");
      this.#offerModel(filters.get("model"));
      this.#model.value = filters.get("model");
      this.#clear.hidden = filters.isEmpty;
      for (const name of ["work_item", "run"]) {
        const chip = byId(`filter-${name}`);
        chip.hidden = !filters.get(name);
        chip.querySelector("bdi").textContent = filters.get(name);
        chip.querySelector("button").onclick = () => this.#drop(name);
      }
      for (const button of byId("counts").children) button.ariaPressed = String(button.dataset.status === filters.get("status"));
    }

    /** Of what matches but for its status: {streaming, queued, …}, and the goals and models that there are. */
    offer(counts, goals, models) {
      const total = STATUSES.reduce((sum, status) => sum + counts[status], 0);
      for (const button of byId("counts").children) {
        const text = figures.count(button.dataset.status ? counts[button.dataset.status] : total);
        const shown = button.querySelector("strong");
        if (shown.textContent !== text) shown.textContent = text;
      }
      models.forEach((model) => this.#offerModel(model));
      const key = JSON.stringify(goals.slice(0, LISTED_GOALS));
      if (key === this.#goals) return;
      this.#goals = key;
      byId("goals").replaceChildren(...goals.slice(0, LISTED_GOALS).map((goal) => new Option("", goal)));
    }

    /** Chosen from the list, or emptied. */
    #isListed(goal) {
      return !goal || [...byId("goals").options].some(({ value }) => value === goal);
    }

    #offerModel(model) {
      if (model && ![...this.#model.options].some(({ value }) => value === model)) this.#model.add(new Option(model, model));
    }

    #onCount(button) {
      if (!button) return;
      const { status } = button.dataset;
      this.#filters.set({ status: this.#filters.get("status") === status ? "" : status });
    }

    #drop(name) {
      this.#filters.set({ [name]: "" });
      this.#text.focus();
    }

    /** It empties the text and then leaves it. */
    #onEscape(event) {
      if (event.isComposing || document.querySelector("dialog[open]")) return;
      if (this.#filters.isEmpty && !this.#text.value) {
        if (event.target === this.#text) this.#text.blur();
        return;
      }
      event.preventDefault();
      this.#text.value = "";
      clearTimeout(this.#typed);
      this.#filters.clear();
    }
  }

  Hopstream.FilterBar = FilterBar;
})();
