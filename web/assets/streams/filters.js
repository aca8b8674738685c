// What is shown: kept in the address, so that it can be shared and Back works.
"use strict";

(() => {
  const { pages } = Hopstream;
  const NAMES = ["goal", "work_item", "run", "model", "status", "q"];
  const STATUSES = ["streaming", "queued", "completed", "error", "cancelled"];
  const STORED = { streaming: "running", queued: "queued", completed: "done", error: "error", cancelled: "cancelled" };

  class Filters {
    #values = {};
    #isTyping = false;

    /** `onChange()` is called when the filters have changed, by the page or by Back. */
    constructor(onChange) {
      this.onChange = onChange;
      this.pageGoal = pages.goalInAddress(); // null on the page of all streams
      this.#read();
      addEventListener("popstate", () => {
        this.#isTyping = false;
        this.#read();
        this.onChange();
      });
    }

    get(name) {
      return this.#values[name] ?? "";
    }

    get goal() {
      return this.pageGoal ?? this.get("goal");
    }

    get isEmpty() {
      return NAMES.every((name) => !this.get(name));
    }

    /** Several at once: {name: value}. What is typed letter by letter makes one step of the history. */
    set(changes, { isTyped = false } = {}) {
      this.#values = { ...this.#values, ...changes };
      const url = new URL(location.href);
      for (const name of NAMES) {
        if (this.get(name)) url.searchParams.set(name, this.get(name));
        else url.searchParams.delete(name);
      }
      if (url.href === location.href) return;
      if (isTyped && this.#isTyping) history.replaceState(null, "", url);
      else history.pushState(null, "", url);
      this.#isTyping = isTyped;
      this.onChange();
    }

    clear() {
      this.set(Object.fromEntries(NAMES.map((name) => [name, ""])));
    }

    /** All but the status, of which the counts tell. */
    matches(stream) {
      const isOf = (name, value) => !this.get(name) || this.get(name) === value;
      return (
        (!this.goal || this.goal === stream.goalId) &&
        isOf("work_item", stream.workItemId) &&
        isOf("run", stream.runId) &&
        isOf("model", stream.model) &&
        this.#contains(stream)
      );
    }

    matchesStatus({ status }) {
      return !this.get("status") || this.get("status") === status;
    }

    /** For GET /turns, which knows no search in texts. */
    get stored() {
      const status = STORED[this.get("status")] ?? null;
      return { goal_id: this.goal, work_item_id: this.get("work_item"), run_id: this.get("run"), model: this.get("model"), status };
    }

    #contains({ question, tail, model, goalId, workItemId, runId, requestId, error }) {
      const wanted = this.get("q").trim().toLowerCase();
      if (!wanted) return true;
      const texts = [question, tail.text, model, goalId, workItemId, runId, requestId, error?.message];
      return texts.some((text) => text?.toLowerCase().includes(wanted));
    }

    #read() {
      const query = new URLSearchParams(location.search);
      this.#values = Object.fromEntries(NAMES.map((name) => [name, query.get(name) ?? ""]));
      if (this.pageGoal !== null) this.#values.goal = "";
      if (!STATUSES.includes(this.#values.status)) this.#values.status = "";
    }
  }

  Object.assign(Hopstream, { Filters, STATUSES });
})();
