// The conversation on the page.
"use strict";

(() => {
  const { StickyScroll, TurnView } = Hopstream;
  const { byId, clone, copy, part } = Hopstream.dom;

  class Thread {
    #element = byId("thread");
    #scroll = new StickyScroll(byId("scroller"), this.#element, byId("jump-latest"));
    #views = new Map(); // by turn
    #welcome = clone("welcome-template");
    #latest = null;
    #hasWorkers = true;

    /** Handlers: onExample(text), onRegenerate(turn), onVersion(turn, step), onDetails() where the store has to tell. */
    constructor({ onExample, onRegenerate, onVersion, onDetails }) {
      this.#element.addEventListener("click", ({ target }) => {
        const button = target.closest("button");
        const view = [...this.#views.values()].find(({ element }) => element.contains(button));
        switch (button?.dataset.testid) {
          case "example":
            return onExample(button.querySelector("span").textContent);
          case "regenerate":
          case "retry":
            return view && onRegenerate(view.turn);
          case "older-version":
            onVersion(view.turn, -1);
            return this.#focusVersion(view.turn, "older-version", "newer-version");
          case "newer-version":
            onVersion(view.turn, 1);
            return this.#focusVersion(view.turn, "newer-version", "older-version");
          case "details":
            return view.toggleDetails() && onDetails();
          case "copy-answer":
            return copy(view.turn.text, button);
          case "copy-code":
            return copy(button.closest(".code-block").querySelector("pre").textContent, button);
        }
      });
    }

    /** `isLoading`: what is in the session is not known yet. */
    show(turns, { isLoading = false } = {}) {
      for (const [turn, view] of this.#views) {
        if (turns.includes(turn)) continue;
        view.element.remove();
        this.#views.delete(turn);
      }
      this.#welcome.remove();
      if (turns.length === 0 && !isLoading) this.#element.prepend(this.#welcome);
      this.#element.classList.toggle("loading", isLoading && turns.length === 0);
      this.#latest = turns.at(-1);
      turns.forEach((turn, index) => this.#place(turn, index));
      this.#updateAll();
    }

    update(turn) {
      this.#views.get(turn)?.update({ isLatest: turn === this.#latest, hasWorkers: this.#hasWorkers });
    }

    setWorkers(hasWorkers) {
      if (hasWorkers === this.#hasWorkers) return;
      this.#hasWorkers = hasWorkers;
      this.#updateAll();
    }

    spoken(turn) {
      return this.#views.get(turn)?.spoken ?? "";
    }

    /** Whether somebody has asked for details that the store has to tell. */
    get wantsDetails() {
      return [...this.#views.values()].some((view) => view.wantsDetails);
    }

    toEnd() {
      this.#scroll.toEnd();
    }

    /** On the button that was pressed, which is another one now, or beside it where there is no further version. */
    #focusVersion({ versions }, ...testIds) {
      const view = [...this.#views.values()].find(({ turn }) => turn.versions === versions);
      testIds.map((testId) => part(view.element, testId)).find((button) => !button.disabled)?.focus();
    }

    #place(turn, index) {
      if (!this.#views.has(turn)) this.#views.set(turn, new TurnView(turn));
      const { element } = this.#views.get(turn);
      const present = this.#element.children[index];
      if (present !== element) this.#element.insertBefore(element, present ?? null);
    }

    #updateAll() {
      for (const turn of this.#views.keys()) this.update(turn);
    }
  }

  Hopstream.Thread = Thread;
})();
