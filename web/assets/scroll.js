// Keeps the newest text in sight while it grows, and lets go as soon as the reader scrolls up.
"use strict";

(() => {
  const NEAR_PX = 48;

  class StickyScroll {
    #scroller;
    #jump;
    #sticks = true;
    #lastTop = 0;

    constructor(scroller, content, jump) {
      this.#scroller = scroller;
      this.#jump = jump;
      scroller.addEventListener("scroll", () => this.#onScroll(), { passive: true });
      jump.addEventListener("click", () => {
        this.toEnd();
        scroller.focus({ preventScroll: true }); // the button is hidden by that
      });
      const sizes = new ResizeObserver(() => this.#onResize());
      sizes.observe(scroller);
      sizes.observe(content);
    }

    toEnd() {
      this.#sticks = true;
      this.#onResize();
    }

    get #below() {
      const { scrollHeight, scrollTop, clientHeight } = this.#scroller;
      return scrollHeight - scrollTop - clientHeight;
    }

    /** Only the reader scrolls up and away from the end: what grows moves nothing, what shrinks ends at the end. */
    #onScroll() {
      const top = this.#scroller.scrollTop;
      if (top < this.#lastTop && this.#below > 1) this.#sticks = false;
      else if (top >= this.#lastTop && this.#below <= NEAR_PX) this.#sticks = true;
      this.#lastTop = top;
      this.#showJump();
    }

    #onResize() {
      if (this.#sticks) {
        this.#scroller.scrollTop = this.#scroller.scrollHeight;
        this.#lastTop = this.#scroller.scrollTop;
      }
      this.#showJump();
    }

    #showJump() {
      this.#jump.hidden = this.#sticks || this.#below <= NEAR_PX;
    }
  }

  Hopstream.StickyScroll = StickyScroll;
})();
