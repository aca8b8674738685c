// What a screen reader hears of the lines: how many came, seldom; errors in full, if somebody wants so. And the tab's title.
import { BAD } from "./lines/line.js";
import { plainText } from "./text/draw.js";

const { announce, byId } = Hopstream.dom;
const SUMMARY_MS = 8_000;
const ERROR_MS = 3_000; // between two errors that are read aloud
const number = new Intl.NumberFormat("en");

export class Narrator {
  #lines = 0;
  #errors = 0;
  #unseenErrors = 0;
  #readAt = -Infinity;
  #title = document.title;
  isAloud = () => false;

  constructor() {
    setInterval(() => this.#tell(), SUMMARY_MS);
    document.addEventListener("visibilitychange", () => {
      this.#unseenErrors = 0;
      document.title = this.#title;
    });
  }

  onLine(line) {
    this.#lines += 1;
    if (!BAD.has(line.level)) return;
    this.#errors += 1;
    if (document.hidden) this.#unseenErrors += 1;
    if (this.isAloud()) this.#read(line);
  }

  #read(line) {
    const now = performance.now();
    if (now - this.#readAt < ERROR_MS) return;
    this.#readAt = now;
    announce(`${line.level} of ${line.service}: ${plainText(line.head)}`);
  }

  #tell() {
    if (document.hidden) {
      if (this.#unseenErrors) document.title = `(${number.format(this.#unseenErrors)} ${plural(this.#unseenErrors, "error")}) ${this.#title}`;
      return;
    }
    if (!this.#lines) return;
    const errors = this.#errors ? `, ${number.format(this.#errors)} ${plural(this.#errors, "error")}` : "";
    byId("summary").textContent = `${number.format(this.#lines)} new ${plural(this.#lines, "line")}${errors}`;
    this.#lines = this.#errors = 0;
  }
}

function plural(count, noun) {
  return count === 1 ? noun : `${noun}s`;
}
