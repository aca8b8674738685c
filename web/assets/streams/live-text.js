// A text that grows on a card. It only ever grows by a piece, so that what is selected stays so, and lies in blocks of a few
// lines, so that a piece lays out its block alone.
"use strict";

(() => {
  const BLOCK_CHARS = 300; // then the next line begins a block
  const SHOWN_CHARS = 4_000;
  const SLACK_CHARS = 2_000;
  const SELECTED_CHARS = 40_000; // what is selected stays for so long

  class LiveText {
    #element;
    #epoch = -1;
    #end = 0; // position in the Tail
    #shown = 0; // characters in the document
    #block = null;

    constructor(element) {
      this.#element = element;
    }

    /** Up to a position in that Tail; another `epoch` begins anew; `selects` tells whether somebody selects in it. */
    show(tail, epoch, position, selects) {
      if (epoch !== this.#epoch || this.#end < tail.start) this.#clear(epoch, tail.start);
      if (position <= this.#end) return;
      const piece = tail.slice(this.#end, position);
      this.#end += piece.length;
      this.#append(piece);
      if (this.#shown > SHOWN_CHARS + SLACK_CHARS && (this.#shown > SELECTED_CHARS || !selects())) this.#trim();
    }

    #clear(epoch, start) {
      this.#epoch = epoch;
      this.#end = start;
      this.#shown = 0;
      this.#block = null;
      this.#element.replaceChildren();
    }

    #append(piece) {
      this.#shown += piece.length;
      let rest = piece;
      while (this.#block && this.#block.length + rest.length > BLOCK_CHARS) {
        const line = rest.indexOf("\n", Math.max(0, BLOCK_CHARS - this.#block.length));
        if (line < 0) break;
        this.#block.appendData(rest.slice(0, line));
        this.#begin();
        rest = rest.slice(line + 1);
      }
      if (!this.#block) this.#begin();
      this.#block.appendData(rest);
    }

    #begin() {
      const block = document.createElement("div");
      block.dir = "auto";
      this.#block = document.createTextNode("");
      block.append(this.#block);
      this.#element.append(block);
    }

    #trim() {
      while (this.#shown > SHOWN_CHARS && this.#element.firstChild.firstChild !== this.#block) {
        this.#shown -= this.#element.firstChild.firstChild.length + 1;
        this.#element.firstChild.remove();
      }
      if (this.#shown <= SHOWN_CHARS + SLACK_CHARS) return;
      this.#block.deleteData(0, this.#shown - SHOWN_CHARS);
      this.#shown = this.#block.length;
    }
  }

  Hopstream.LiveText = LiveText;
})();
