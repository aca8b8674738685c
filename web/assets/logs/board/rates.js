// How many lines of each level came in each second, of the last minutes.
export const SERIES = ["bad", "warning", "info", "debug", "other", "skipped"];
const OF_LEVEL = { critical: "bad", error: "bad", warning: "warning", info: "info", debug: "debug", trace: "debug" };
const RECENT_SECONDS = 5;

export class Rates {
  #seconds;
  #counts = new Map(); // second since 1970 → counts by series

  constructor(seconds = 600) {
    this.#seconds = seconds;
  }

  add({ ms, level }, count = 1) {
    this.#add(Math.floor(ms / 1_000), OF_LEVEL[level] ?? "other", count);
  }

  addSkipped(count, now = Date.now()) {
    this.#add(Math.floor(now / 1_000), "skipped", count);
  }

  clear() {
    this.#counts.clear();
  }

  /** Lines a second, of the last full seconds. */
  recent(now = Date.now()) {
    const last = Math.floor(now / 1_000) - 1;
    let sum = 0;
    for (let second = last - RECENT_SECONDS + 1; second <= last; second += 1) {
      for (const name of SERIES) if (name !== "skipped") sum += this.#counts.get(second)?.[name] ?? 0;
    }
    return Math.round(sum / RECENT_SECONDS);
  }

  /** For uPlot: the seconds, then for each series, as SERIES has them, what it and those before it are together. */
  stacked(now = Date.now()) {
    const last = Math.floor(now / 1_000);
    const seconds = Array.from({ length: this.#seconds }, (_, index) => last - this.#seconds + 1 + index);
    const sums = new Array(this.#seconds).fill(0);
    const rows = SERIES.map((name) => seconds.map((second, index) => (sums[index] += this.#counts.get(second)?.[name] ?? 0)));
    return [seconds, ...rows];
  }

  totals(now = Date.now()) {
    const first = Math.floor(now / 1_000) - this.#seconds;
    const totals = Object.fromEntries(SERIES.map((name) => [name, 0]));
    for (const [second, counts] of this.#counts) if (second > first) for (const name of SERIES) totals[name] += counts[name] ?? 0;
    return totals;
  }

  #add(second, name, count) {
    let counts = this.#counts.get(second);
    if (!counts) {
      counts = {};
      this.#counts.set(second, counts);
      if (this.#counts.size > 2 * this.#seconds) this.#forget();
    }
    counts[name] = (counts[name] ?? 0) + count;
  }

  #forget() {
    const newest = [...this.#counts.keys()].sort((one, other) => other - one).slice(0, this.#seconds);
    const kept = new Set(newest);
    for (const second of this.#counts.keys()) if (!kept.has(second)) this.#counts.delete(second);
  }
}
