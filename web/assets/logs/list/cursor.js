// The chosen line: by a click or the arrow keys, from one match or error to the next.
import { BAD } from "../lines/line.js";

const PAGE_ROWS_LEFT = 2; // of the last screen, on the next one

export class Cursor {
  #list;
  #store;
  line = null;

  /** `onChosen(line, how)`: null where nothing is chosen any more. `how`: "click" or "key". */
  constructor(list, store, onChosen) {
    this.#list = list;
    this.#store = store;
    this.onChosen = onChosen;
  }

  choose(line, how = "key") {
    this.line = line;
    this.#list.look.selected = line;
    if (line) {
      if (this.#list.held === null) this.#list.hold("scroll");
      this.#list.reveal(line);
    }
    this.#list.request();
    this.onChosen(line, how);
  }

  /** It stays chosen when the lines were read anew. */
  keep() {
    const same = this.line?.kind === "line" ? this.#store.same(this.line) : null;
    if (!same || same === this.line) return;
    this.line = this.#list.look.selected = same;
    this.#list.request();
  }

  /** By so many lines; from the last one in sight where none is chosen. */
  move(step) {
    const { lines } = this.#store;
    if (!lines.length) return;
    const index = this.#start(step) + step;
    this.choose(lines[Math.max(0, Math.min(this.#list.count - 1, index))]);
  }

  movePage(step) {
    this.move(step * Math.max(1, this.#list.seen.length - PAGE_ROWS_LEFT));
  }

  toFirst() {
    if (this.#store.lines.length) this.choose(this.#store.lines[0]);
  }

  /** Returns whether there is one. */
  toError(step) {
    const { lines } = this.#store;
    for (let index = this.#start(step) + step; index >= 0 && index < this.#list.count; index += step) {
      if (!BAD.has(lines[index].level)) continue;
      this.choose(lines[index]);
      return true;
    }
    return false;
  }

  async toMatch(matcher, step) {
    const found = await matcher.find(this.#store.lines, this.#start(step) + step, step);
    if (found) this.choose(found);
    return found !== null;
  }

  /** Where the chosen line stands, or that beside which the first step leads to one in sight. */
  #start(step) {
    const { lines } = this.#store;
    if (this.line && lines[this.#store.indexOf(this.line)] === this.line) return this.#store.indexOf(this.line);
    const { seen } = this.#list;
    const nearest = this.#list.held === null || step < 0 ? seen.at(-1) : seen[0];
    return nearest ? this.#store.indexOf(nearest) - (step < 0 ? -1 : 1) : 0;
  }
}
