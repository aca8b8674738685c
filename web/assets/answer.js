// An answer that grows. Drawing all of it for each token would cost the square of its length: finished blocks are
// drawn once, only what can still change is drawn again, and the slower that gets the rarer it is done.
"use strict";

(() => {
  const { markdown } = Hopstream;
  const SHARE = 4; // drawing takes at most one part in so many of the page's time, plus one

  class Answer {
    #element;
    #text = "";
    #drawn = ""; // line breaks as \n
    #offset = 0; // of the first character that may still change its block
    #settled = 0; // child nodes before it
    #isFinished = false;
    #isScheduled = false;
    #notBefore = 0;

    constructor(element) {
      this.#element = element;
    }

    /** Shows a text: soon while it grows, at once when it is finished. */
    show(text, isFinished) {
      if (text === this.#text && isFinished === this.#isFinished) return;
      this.#text = text;
      this.#isFinished = isFinished;
      if (isFinished || text === "") this.#draw();
      else this.#schedule();
    }

    #schedule() {
      if (this.#isScheduled) return;
      this.#isScheduled = true;
      const draw = () => {
        this.#isScheduled = false;
        if (!this.#isFinished) this.#draw();
      };
      setTimeout(() => requestAnimationFrame(draw), Math.max(0, this.#notBefore - performance.now()));
    }

    #draw() {
      const start = performance.now();
      const text = this.#text.replace(/\r\n?/g, "\n");
      const isNew = !text.startsWith(this.#drawn);
      if (isNew || this.#isFinished) this.#offset = this.#settled = 0; // what comes late may tell of what was before
      this.#drawn = text;
      const tokens = markdown.lex(text.slice(this.#offset));
      const count = this.#isFinished ? tokens.length : countSettled(tokens);
      const settled = markdown.render(tokens.slice(0, count), { highlighted: true });
      const open = markdown.render(tokens.slice(count), { highlighted: false });
      const settledNodes = settled.childNodes.length;
      settled.append(open);
      morph(this.#element, settled, this.#settled);
      this.#settled += settledNodes;
      this.#offset += tokens.slice(0, count).reduce((length, token) => length + token.raw.length, 0);
      const now = performance.now();
      this.#notBefore = now + (now - start) * SHARE;
    }
  }

  /**
   * How many leading blocks no further text can change: those before the last one, and only once the first line of that
   * one is whole ("2" may become a paragraph or the next item of the list before it).
   */
  function countSettled(tokens) {
    const last = tokens.findLastIndex((token) => token.type !== "space");
    return last > 0 && tokens.slice(last).some((token) => token.raw.includes("\n")) ? last : 0;
  }

  /** Makes the children of `target`, from the one numbered `from` on, equal to `source`'s; equal nodes are kept, and so
   *  are the reader's selection and the places that things are scrolled to. */
  function morph(target, source, from = 0) {
    const wanted = [...source.childNodes];
    const present = [...target.childNodes].slice(from);
    wanted.forEach((node, index) => {
      const old = present[index];
      if (!old) target.append(node);
      else if (!old.isEqualNode(node)) morphNode(old, node);
    });
    for (const old of present.slice(wanted.length)) old.remove();
  }

  function morphNode(old, node) {
    if (old.nodeType === Node.TEXT_NODE && node.nodeType === Node.TEXT_NODE) {
      if (node.data.startsWith(old.data)) old.appendData(node.data.slice(old.data.length));
      else old.data = node.data;
    } else if (old.nodeType === Node.ELEMENT_NODE && old.cloneNode().isEqualNode(node.cloneNode())) {
      morph(old, node);
    } else {
      old.replaceWith(node);
    }
  }

  Hopstream.Answer = Answer;
})();
