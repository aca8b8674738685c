// The end of a text that grows for hours: what was before is counted, not kept.
"use strict";

(() => {
  class Tail {
    /** Holds at least `kept` characters of a text that is so long, and at most half as many again. */
    constructor(kept) {
      this.kept = kept;
      this.text = "";
      this.length = 0; // of all that came
    }

    add(more) {
      this.text += more;
      this.length += more.length;
      if (this.text.length > this.kept * 1.5) this.text = lastOf(this.text, this.kept);
    }

    shrink(kept) {
      this.kept = kept;
      this.text = lastOf(this.text, kept);
    }

    /** Where `text` begins. */
    get start() {
      return this.length - this.text.length;
    }

    /** The kept characters from one position to another; none is cut in two. */
    slice(from, to) {
      const end = isHighSurrogate(this.text, to - 1 - this.start) ? to - 1 : to;
      return this.text.slice(from - this.start, end - this.start);
    }
  }

  function lastOf(text, kept) {
    const start = Math.max(0, text.length - kept);
    return text.slice(start > 0 && isHighSurrogate(text, start - 1) ? start + 1 : start);
  }

  function isHighSurrogate(text, index) {
    const code = text.charCodeAt(index);
    return code >= 0xd800 && code < 0xdc00;
  }

  Hopstream.Tail = Tail;
})();
