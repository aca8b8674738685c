// What is looked for, in the lines that are here: for highlights and for going from one to the next. A word is found
// at once. A pattern runs in a worker, which is ended if it takes too long: a person's or a link's regular expression
// can take for ever (the server's, RE2, cannot).
import { plainText } from "./draw.js";

const TOO_LONG_MS = 1_000;
const BATCH = 400; // lines at once
const MARKS = 200; // in one line: more help nobody

export class Matcher {
  #word = null;
  #worker = null;
  #known = new WeakMap(); // line → its marks
  #asked = [];
  #waiting = null; // {lines, resolve, timer} of the batch that the worker has
  #onMarks;
  #onTooSlow;
  isActive = false;

  /** `onMarks(lines)` tells which lines have got marks; `onTooSlow()` that this pattern is given up. */
  constructor({ word = "", pattern = "" }, onMarks = () => {}, onTooSlow = () => {}) {
    this.#onMarks = onMarks;
    this.#onTooSlow = onTooSlow;
    if (pattern) this.#startWorker(pattern);
    else if (word) this.#word = new RegExp(word.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&"), "giu");
    this.isActive = Boolean(this.#word || this.#worker);
  }

  /** [[start, end]] in the plain text of the line's head; none as long as a pattern's are not known. */
  marksOf(line) {
    if (!this.isActive || line.kind !== "line") return [];
    if (this.#word) return wordMarks(this.#word, plainText(line.head));
    const known = this.#known.get(line);
    if (!known) this.#ask(line);
    return known ?? [];
  }

  /** Of any text, where a word is looked for: a pattern's are not known at once. */
  marksIn(text) {
    return this.#word ? wordMarks(this.#word, plainText(text)) : [];
  }

  /** Whether the word is in what a row does not show. */
  isBelow(line) {
    if (!this.#word || !(line.more || line.isCutHere)) return false;
    this.#word.lastIndex = 0;
    return this.#word.test(line.message);
  }

  /** The next line that matches, from `index` on, forward (step 1) or back (-1), or null. */
  async find(lines, index, step) {
    while (this.isActive && index >= 0 && index < lines.length) {
      const end = Math.max(-1, Math.min(lines.length, index + step * BATCH));
      const found = this.#word ? this.#findWord(lines, index, end, step) : await this.#findPattern(lines, index, end, step);
      if (found) return found;
      index = end;
    }
    return null;
  }

  close() {
    this.isActive = false;
    this.#worker?.terminate();
    if (this.#waiting) clearTimeout(this.#waiting.timer);
    this.#waiting?.resolve([]);
    this.#worker = this.#waiting = null;
  }

  #findWord(lines, index, end, step) {
    for (; index !== end; index += step) {
      this.#word.lastIndex = 0;
      if (lines[index].kind === "line" && this.#word.test(lines[index].message)) return lines[index];
    }
    return null;
  }

  async #findPattern(lines, index, end, step) {
    const batch = [];
    for (; index !== end; index += step) if (lines[index].kind === "line") batch.push(lines[index]);
    while (this.#waiting) await this.#waiting.promise;
    const marks = await this.#send(batch);
    return batch[marks.findIndex((ranges) => ranges.length)] ?? null;
  }

  #startWorker(pattern) {
    const source = pattern.replace(/^\(\?i\)/, "");
    const flags = source === pattern ? "gu" : "giu";
    try {
      new RegExp(source, flags);
    } catch {
      return; // RE2 has some forms that browsers lack: the server filters by them, and nothing is marked
    }
    this.#worker = new Worker(new URL("pattern-worker.js", import.meta.url));
    this.#worker.postMessage({ source, flags, marks: MARKS });
    this.#worker.onmessage = ({ data }) => this.#onAnswer(data);
  }

  #ask(line) {
    this.#asked.push(line);
    if (this.#asked.length === 1) queueMicrotask(() => this.#next());
  }

  async #next() {
    while (this.#waiting) await this.#waiting.promise;
    const lines = this.#asked.splice(0);
    if (!this.isActive || !lines.length) return;
    await this.#send(lines);
    this.#onMarks(lines);
  }

  #send(lines) {
    if (!this.#worker) return Promise.resolve([]);
    const waiting = { lines };
    waiting.promise = new Promise((resolve) => (waiting.resolve = resolve));
    waiting.timer = setTimeout(() => this.#giveUp(), TOO_LONG_MS);
    this.#waiting = waiting;
    this.#worker.postMessage(lines.map(({ head }) => plainText(head)));
    return waiting.promise;
  }

  #onAnswer(marks) {
    const { lines, resolve, timer } = this.#waiting;
    clearTimeout(timer);
    this.#waiting = null;
    lines.forEach((line, index) => this.#known.set(line, marks[index]));
    resolve(marks);
  }

  #giveUp() {
    this.close();
    this.#onTooSlow();
  }
}

function wordMarks(word, text) {
  const marks = [];
  word.lastIndex = 0; // a test may have left it elsewhere, and matchAll would go on from there
  for (const found of text.matchAll(word)) {
    marks.push([found.index, found.index + found[0].length]);
    if (marks.length === MARKS) break;
  }
  return marks;
}
