// How a stream flows: the gaps between its latest chunks, and how many tokens came in them.
"use strict";

(() => {
  const KEPT = 40; // 2 s at the API's fastest, enough for a curve

  class Pace {
    #gaps = new Float32Array(KEPT); // ms
    #tokens = new Uint16Array(KEPT);
    #count = 0;
    #last = null;

    /** The first chunk has no gap before it: it may hold all that was said before this page came. */
    add(now, tokens) {
      if (this.#last !== null) {
        this.#gaps[this.#count % KEPT] = now - this.#last;
        this.#tokens[this.#count % KEPT] = tokens;
        this.#count += 1;
      }
      this.#last = now;
    }

    /** Of the latest chunks, in ms, oldest first. */
    get gaps() {
      const size = Math.min(this.#count, KEPT);
      return Array.from({ length: size }, (_, index) => this.#gaps[(this.#count - size + index) % KEPT]);
    }

    /** Tokens per second, with the silence since the latest chunk; null where nothing is known yet. */
    rateAt(now) {
      const size = Math.min(this.#count, KEPT);
      if (size < 2) return null;
      let elapsed = 0;
      let tokens = 0;
      for (let index = 0; index < size; index += 1) {
        elapsed += this.#gaps[index];
        tokens += this.#tokens[index];
      }
      const silence = Math.max(0, now - this.#last - elapsed / size);
      return (tokens / Math.max(elapsed + silence, 1)) * 1000;
    }
  }

  Hopstream.Pace = Pace;
})();
