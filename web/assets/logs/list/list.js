// The list of lines: as many rows as fit, whatever the number of lines. It follows the newest line until somebody scrolls
// up or pauses, and then stays where it is, whatever comes or goes.
import { Heights } from "./heights.js";
import { Row } from "./row.js";

const BEYOND_PX = 160; // rows are ready so far out of sight
const OLDER_PX = 1_200; // so near to the first line older ones are asked for
const NEAR_PX = 2;
const PASSES = 3; // rows that turn out higher or lower than thought move others into sight

export class LogList {
  #scroller;
  #spool;
  #store;
  #rows = new Map(); // line → row
  #spare = [];
  #isDue = false;
  #lastTop = 0;
  #shifts = -1;
  #frozenAt = null; // the last line shown, in a pause
  #heldCame = 0;
  heights = new Heights();
  held = null; // null: follows. "scroll": stays; "pause": shows nothing new either
  head = 0; // px above the first line
  look = { isUtc: false, isWrapped: false, selected: null, version: 0, marksOf: () => [], isBelow: () => false };

  /** Handlers: onHold(), onNearTop(), onNearEnd(), onDrawn(). */
  constructor(scroller, spool, store, handlers) {
    this.#scroller = scroller;
    this.#spool = spool;
    this.#store = store;
    Object.assign(this, handlers);
    scroller.addEventListener("scroll", () => this.#onScroll(), { passive: true });
    new ResizeObserver(() => this.onResize()).observe(scroller);
    document.addEventListener("visibilitychange", () => this.request());
  }

  /** Lines that have come since it stands still. */
  get unseen() {
    return this.held === null ? 0 : this.#store.came - this.#heldCame;
  }

  get count() {
    const { lines } = this.#store;
    if (this.held !== "pause" || this.#frozenAt === null) return lines.length;
    const index = this.#store.indexOf(this.#frozenAt);
    return lines[index] === this.#frozenAt ? index + 1 : lines.length; // it has gone: so have all that were shown
  }

  hold(how) {
    if (this.held === null) this.#heldCame = this.#store.came;
    if (how === "pause") this.#frozenAt = this.#store.lines.at(-1) ?? null;
    this.held = how;
    this.onHold();
    this.request();
  }

  follow() {
    this.held = this.#frozenAt = null;
    this.onHold();
    this.request();
  }

  /** Everything is drawn anew. */
  redraw() {
    this.look.version += 1;
    this.request();
  }

  request() {
    if (this.#isDue || document.hidden) return; // nobody looks: the lines are kept, and drawn when somebody does
    this.#isDue = true;
    requestAnimationFrame(() => {
      this.#isDue = false;
      this.#draw();
    });
  }

  /** Brings a line into sight, in the middle or where it is nearest. */
  reveal(line, { isCentred = false } = {}) {
    const { lines } = this.#store;
    const top = this.head + this.heights.top(lines, this.#store.indexOf(line));
    const height = this.#scroller.clientHeight;
    const below = top + this.heights.of(line) - height;
    if (isCentred) this.#scrollTo(top - height / 2);
    else if (top < this.#scroller.scrollTop) this.#scrollTo(top);
    else if (below > this.#scroller.scrollTop) this.#scrollTo(below);
    this.request();
  }

  /** The lines in sight. */
  get seen() {
    const { lines } = this.#store;
    const top = this.#scroller.scrollTop - this.head;
    const first = this.heights.at(lines, this.count, top);
    const last = this.heights.at(lines, this.count, top + this.#scroller.clientHeight - 1);
    return lines.slice(first, last + 1);
  }

  lineOf(element) {
    const row = element.closest(".row");
    for (const [line, { element: own }] of this.#rows) if (own === row) return line;
    return null;
  }

  /** Sizes as the style sheets have them. */
  onResize() {
    const style = getComputedStyle(this.#scroller);
    const px = (name) => Number.parseFloat(style.getPropertyValue(name));
    this.#spool.dataset.wrapped = String(this.look.isWrapped);
    const rowPx = px("--row-px");
    this.head = rowPx + 8;
    const columns = Math.max(20, Math.floor((this.#scroller.clientWidth - px("--before-text-px")) / charPx(this.#spool)));
    const isOther = this.heights.set({ rowPx, textPx: px("--text-px"), columns, isWrapped: this.look.isWrapped });
    if (isOther) this.#shifts = -1;
    this.request();
  }

  #draw() {
    const anchor = this.#anchor();
    this.#settle(anchor);
    for (let pass = 0; pass < PASSES; pass += 1) {
      this.#spool.style.height = `${this.head + this.heights.top(this.#store.lines, this.count)}px`;
      if (this.held === null) this.#scrollTo(this.#scroller.scrollHeight);
      this.#drawRows();
      if (!this.heights.isWrapped || !this.#measure()) break;
      if (this.held !== null) this.#goTo(anchor);
    }
    this.#lookAround();
    this.onDrawn();
  }

  /** The first line in sight, and how far its top is from the scroller's. */
  #anchor() {
    const top = this.#scroller.scrollTop;
    let first = null;
    for (const row of this.#rows.values()) {
      if (row.top + this.heights.of(row.line) > top && (first === null || row.top < first.top)) first = row;
    }
    return first && { line: first.line, offset: top - first.top };
  }

  /** Lines have gone or come before those in sight: these stay where they are seen. */
  #settle(anchor) {
    if (this.#shifts === this.#store.shifts) return;
    this.#shifts = this.#store.shifts;
    this.heights.forget();
    this.#spool.style.height = `${this.head + this.heights.top(this.#store.lines, this.count)}px`;
    if (this.held !== null) this.#goTo(anchor);
  }

  #goTo(anchor) {
    if (!anchor) return;
    const index = this.#store.indexOf(anchor.line);
    const isThere = this.#store.lines[index] === anchor.line;
    this.#scrollTo(isThere ? this.head + this.heights.top(this.#store.lines, index) + anchor.offset : 0);
  }

  #drawRows() {
    const { lines } = this.#store;
    const { count } = this;
    const top = this.#scroller.scrollTop - this.head;
    const first = this.heights.at(lines, count, top - BEYOND_PX);
    const end = count === 0 ? 0 : this.heights.at(lines, count, top + this.#scroller.clientHeight + BEYOND_PX) + 1;
    const wanted = new Set(lines.slice(first, end));
    for (const [line, row] of this.#rows) if (!wanted.has(line)) this.#release(line, row);
    let next = null; // the element after: to a screen reader, too, lines are in order
    for (let index = end - 1; index >= first; index -= 1) {
      const line = lines[index];
      const row = this.#rows.get(line) ?? this.#take(line, next);
      row.show(line, this.look);
      row.place(this.head + this.heights.top(lines, index));
      next = row.element;
    }
    for (const row of this.#spare) row.element.hidden = true;
  }

  #take(line, next) {
    const row = this.#spare.pop() ?? new Row();
    this.#spool.insertBefore(row.element, next);
    row.element.hidden = false;
    this.#rows.set(line, row);
    return row;
  }

  #release(line, row) {
    this.#rows.delete(line);
    this.#spare.push(row);
  }

  /** Returns whether a row is not as high as was thought. */
  #measure() {
    let from = Infinity;
    for (const [line, row] of this.#rows) {
      if (this.heights.isMeasured(line)) continue;
      if (this.heights.measure(line, row.element.offsetHeight)) from = Math.min(from, this.#store.indexOf(line));
    }
    if (from === Infinity) return false;
    this.heights.forget(from);
    return true;
  }

  #scrollTo(top) {
    this.#scroller.scrollTop = top;
    this.#lastTop = this.#scroller.scrollTop;
  }

  /** Only a person scrolls up and away from the end. */
  #onScroll() {
    const { clientHeight, scrollHeight, scrollTop } = this.#scroller;
    const below = scrollHeight - scrollTop - clientHeight;
    if (this.held === null && scrollTop < this.#lastTop && below > NEAR_PX) this.hold("scroll");
    else if (this.held === "scroll" && scrollTop >= this.#lastTop && below <= NEAR_PX) this.onAtEnd();
    this.#lastTop = scrollTop;
    this.request();
  }

  #lookAround() {
    const { clientHeight, scrollHeight, scrollTop } = this.#scroller;
    if (scrollTop < OLDER_PX) this.onNearTop();
    if (this.held === "scroll" && scrollHeight - scrollTop - clientHeight < OLDER_PX) this.onNearEnd();
  }
}

function charPx(parent) {
  const probe = document.createElement("span");
  probe.className = "row-probe";
  probe.textContent = "0".repeat(50);
  parent.append(probe);
  const width = probe.getBoundingClientRect().width / 50;
  probe.remove();
  return width || 8;
}
