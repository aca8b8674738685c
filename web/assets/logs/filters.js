// What is shown: kept in the address, so that it can be shared and Back works.
const SINGLE = ["q", "regex", "level", "session", "request", "since", "until", "mode", "at"];
const SEVERAL = ["channel", "service"];
const LEVELS = ["trace", "debug", "info", "warning", "error", "critical"];

export class Filters {
  #values = {};
  #isTyping = false;

  /** `onChange()` is called when they have changed, by the page or by Back. */
  constructor(onChange) {
    this.onChange = onChange;
    this.#read();
    addEventListener("popstate", () => {
      this.#isTyping = false;
      this.#read();
      this.onChange();
    });
  }

  /** A text; of channels and services a list. */
  get(name) {
    return this.#values[name];
  }

  get isRegex() {
    return this.get("regex") !== "";
  }

  get isHighlight() {
    return this.get("mode") === "highlight";
  }

  /** What is looked for, as Matcher takes it. */
  get wanted() {
    return { word: this.get("q"), pattern: this.get("regex") };
  }

  /** Whether anything hides lines. */
  get isEmpty() {
    return Object.values(this.query).every((value) => value.length === 0);
  }

  /** For the gateway's history, stream and export. Where words are only highlighted they hide nothing. */
  get query() {
    const names = ["q", "regex"].filter(() => !this.isHighlight).concat("level", "session", "request", "since", "until", SEVERAL);
    return Object.fromEntries(names.map((name) => [name, this.get(name)]));
  }

  /** Several at once. What is typed letter by letter makes one step of the browser's history. */
  set(changes, { isTyped = false } = {}) {
    this.#values = { ...this.#values, ...changes };
    const url = new URL(location.href);
    for (const name of [...SINGLE, ...SEVERAL]) {
      url.searchParams.delete(name);
      for (const value of [this.get(name)].flat()) if (value) url.searchParams.append(name, value);
    }
    if (url.href === location.href) return;
    if (isTyped && this.#isTyping) history.replaceState(null, "", url);
    else history.pushState(null, "", url);
    this.#isTyping = isTyped;
    this.onChange();
  }

  /** None but these. */
  clear(but = {}) {
    this.set({ ...Object.fromEntries(SINGLE.map((name) => [name, ""])), channel: [], service: [], ...but });
  }

  /** The page's address with other filters: nothing but these. */
  urlOf(values) {
    const url = new URL(location.href);
    url.search = new URLSearchParams(values);
    return url.href;
  }

  #read() {
    const query = new URLSearchParams(location.search);
    for (const name of SINGLE) this.#values[name] = query.get(name) ?? "";
    for (const name of SEVERAL) this.#values[name] = [...new Set(query.getAll(name).filter(Boolean))];
    if (!LEVELS.includes(this.#values.level)) this.#values.level = "";
    if (!/^\d+-\d+$/.test(this.#values.at)) this.#values.at = "";
    if (this.#values.regex) this.#values.q = "";
    for (const name of ["since", "until"]) if (Number.isNaN(Date.parse(this.#values[name]))) this.#values[name] = "";
  }
}
