// Lines that were before: the newest page when the filters change, older ones as somebody scrolls up, what a reconnected
// stream no longer had, and the neighbourhood of one line.
import { neighbour, readLine } from "./line.js";

const PAGE_LINES = 500;
const FILL_PAGES = 10; // at most, of what a gap has left out
const EMPTY_PAGES = 20; // in a row, of a search that finds nothing, without being asked again

export class History {
  #gateway;
  #store;
  #query = {};
  #turn = new AbortController();
  #before = null;
  #after = null;
  #emptyPages = 0;
  isLoading = false;
  isLoaded = false;
  hasOlder = false;
  hasNewer = false; // the list ends before the newest line
  scannedTo = null; // a search that has found nothing yet got this far
  problem = null;

  /** `onChange()` when anything is different; `onLines(lines)` for those of an answer, before they are in the store. */
  constructor(gateway, store, { onChange, onLines }) {
    this.#gateway = gateway;
    this.#store = store;
    Object.assign(this, { onChange, onLines });
  }

  /** The search for older lines has found nothing for long: it goes on when it is asked. */
  get isTired() {
    return this.#emptyPages >= EMPTY_PAGES;
  }

  /** With other filters; what is on its way is passed over. */
  begin(query) {
    this.#turn.abort();
    this.#turn = new AbortController();
    this.#query = query;
    this.#before = this.#after = this.scannedTo = this.problem = null;
    this.#emptyPages = 0;
    this.isLoaded = this.isLoading = this.hasOlder = this.hasNewer = false;
  }

  /** The newest page. */
  async load() {
    await this.#ask({ limit: PAGE_LINES }, (answer) => this.#onOlder(answer));
  }

  /** Lines on both sides of one, and that one. */
  async loadAround(id) {
    const { signal } = this.#turn;
    const half = PAGE_LINES / 2;
    await this.#ask({ before: neighbour(id, 1), limit: half }, (answer) => this.#onOlder(answer));
    if (signal.aborted) return; // something else is shown by now
    this.hasNewer = true;
    this.#after = id;
    await this.#ask({ after: id, limit: half }, (answer) => this.#onNewer(answer));
  }

  async older({ isAsked = false } = {}) {
    if (isAsked) this.#emptyPages = 0;
    if (!this.hasOlder || this.isLoading || this.isTired || this.problem) return;
    await this.#ask({ before: this.#before, limit: PAGE_LINES }, (answer) => this.#onOlder(answer));
  }

  async newer() {
    if (!this.hasNewer || this.isLoading || this.problem) return;
    await this.#ask({ after: this.#after, limit: PAGE_LINES }, (answer) => this.#onNewer(answer));
  }

  /** From one line on, until there is no more or lines come that are here. Returns how many were found. */
  async fill(after) {
    let found = 0;
    for (let page = 0; page < FILL_PAGES && after; page += 1) {
      let answer = null;
      await this.#ask({ after, limit: PAGE_LINES }, (given) => (answer = given));
      if (!answer) break;
      const fresh = this.#merge(answer);
      found += fresh;
      after = answer.more && (fresh || !answer.lines.length) ? nextAfter(answer) : null;
    }
    return found;
  }

  async again() {
    this.problem = null;
    if (!this.isLoaded) await this.load();
    else await this.older({ isAsked: true });
  }

  #onOlder(answer) {
    const found = this.#merge(answer);
    this.hasOlder = Boolean(answer.more && answer.before);
    this.#before = answer.before;
    this.scannedTo = answer.scanned_to ?? null;
    this.#emptyPages = found ? 0 : this.#emptyPages + 1;
    this.isLoaded = true;
  }

  #onNewer(answer) {
    this.#merge(answer);
    const next = nextAfter(answer);
    this.hasNewer = Boolean(answer.more && next);
    this.#after = next ?? this.#after;
  }

  #merge({ lines }) {
    const read = lines.map(readLine).filter(Boolean);
    this.onLines(read);
    return this.#store.merge(read);
  }

  async #ask(query, use) {
    const { signal } = this.#turn;
    this.isLoading = true;
    this.onChange();
    try {
      const answer = await this.#gateway.history({ ...this.#query, ...query }, signal);
      if (signal.aborted) return;
      this.problem = null;
      use(answer);
    } catch (error) {
      if (signal.aborted) return;
      this.problem = error;
    }
    this.isLoading = false;
    this.onChange();
  }
}

function nextAfter(answer) {
  return answer.after ?? answer.lines.at(-1)?.id ?? null;
}
