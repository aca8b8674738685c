// What a screen reader and the tab's title hear of it all: a line, seldom.
"use strict";

(() => {
  const { figures } = Hopstream;
  const { byId } = Hopstream.dom;
  const PAUSE_MS = 5_000;
  const WORDS = { streaming: "streaming", queued: "queued", completed: "completed", error: "failed", cancelled: "cancelled" };

  class Summary {
    #said = "";
    #saidAt = -Infinity;
    #name = document.title;

    show(counts, now) {
      if (now - this.#saidAt < PAUSE_MS) return;
      const parts = Object.keys(WORDS).filter((status) => counts[status]);
      const text = parts.map((status) => `${figures.count(counts[status])} ${WORDS[status]}`).join(", ");
      if (text === this.#said) return;
      this.#said = text;
      this.#saidAt = now;
      byId("summary").textContent = text || "No streams";
      document.title = counts.streaming ? `(${figures.count(counts.streaming)}) ${this.#name}` : this.#name;
    }

    set name(text) {
      this.#name = document.title = text;
    }
  }

  Hopstream.Summary = Summary;
})();
