// Smooths bursts: what came in one batch is revealed until the next one is due, at the latest after DELAY_MS.
"use strict";

(() => {
  const DELAY_MS = 100; // twice the pause between two batches of the API
  const KEPT = 8; // batches within DELAY_MS: more would be no bursts

  class Reveal {
    #marks = []; // {position, at}: so long was the text then

    add(position, now) {
      if (this.#marks.length === KEPT) this.#marks.splice(1, 1);
      while (this.#marks.length > 1 && this.#marks[1].at + DELAY_MS <= now) this.#marks.shift();
      this.#marks.push({ position, at: now });
    }

    clear() {
      this.#marks = [];
    }

    /** How much of the text is shown at that time: it grows evenly between a batch and the next. */
    positionAt(now) {
      let position = 0;
      let shownAt = -Infinity;
      for (const mark of this.#marks) {
        const end = mark.at + DELAY_MS;
        if (now >= end) {
          [position, shownAt] = [mark.position, end];
          continue;
        }
        const start = Math.max(mark.at, shownAt);
        const part = now <= start ? 0 : (now - start) / (end - start);
        return position + Math.floor(part * (mark.position - position));
      }
      return position;
    }
  }

  Hopstream.Reveal = Reveal;
})();
