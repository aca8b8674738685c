// One row of the list: made once, filled with one line after another.
import { drawText } from "../text/draw.js";
import { parts } from "../text/times.js";

const SHORT_CHARS = 1_000; // of a line that does not wrap: no screen is as wide
const HUES = 8;
const LEVEL_NAMES = { trace: "trace", debug: "debug", info: "info", warning: "warn", error: "error", critical: "crit" };
const count = new Intl.NumberFormat("en");

export class Row {
  line = null;
  element = document.createElement("div");
  #time = this.#cell("row-time");
  #level = this.#cell("row-level");
  #service = this.#cell("row-service");
  #text = this.#cell("row-text");
  #more = this.#cell("row-more");
  #shown = "";
  #top = -1;

  constructor() {
    this.element.className = "row";
    this.element.dataset.testid = "line";
  }

  /** `look`: {isUtc, isWrapped, selected, marksOf, isBelow, version}. What is drawn already is left: a person may be selecting it. */
  show(line, look) {
    const marks = look.marksOf(line);
    const shown = `${look.version} ${line.version ?? 0} ${marks.length}`;
    this.element.classList.toggle("is-selected", line === look.selected);
    if (line === this.line && shown === this.#shown) return;
    this.line = line;
    this.#shown = shown;
    this.element.dataset.kind = line.kind;
    this.#time.textContent = parts(line.at, look.isUtc).clock;
    if (line.kind === "line") this.#showLine(line, look, marks);
    else this.#showNote(line);
  }

  /** Height and place in the list. */
  place(top) {
    if (top === this.#top) return;
    this.#top = top;
    this.element.style.transform = `translateY(${top}px)`;
  }

  get top() {
    return this.#top;
  }

  #showLine(line, { isBelow, isWrapped }, marks) {
    this.element.dataset.level = line.level ?? "none";
    delete this.element.dataset.tone;
    this.#level.textContent = LEVEL_NAMES[line.level] ?? "–";
    this.#time.classList.toggle("is-arrival", line.arrived !== null);
    this.#service.textContent = line.service;
    this.#service.dataset.hue = hueOf(line.service);
    drawText(this.#text, isWrapped ? line.head : line.head.slice(0, SHORT_CHARS), marks);
    this.#more.textContent = moreOf(line);
    this.#more.classList.toggle("has-match", marks.length === 0 && isBelow(line));
  }

  #showNote({ text, tone }) {
    delete this.element.dataset.level;
    this.element.dataset.tone = tone;
    this.#level.textContent = tone === "bad" ? "!!" : tone === "warn" ? "!" : "·";
    this.#service.textContent = "";
    this.#time.classList.remove("is-arrival");
    drawText(this.#text, text);
    this.#more.textContent = "";
    this.#more.classList.remove("has-match");
  }

  #cell(name) {
    const cell = document.createElement("span");
    cell.className = name;
    this.element.append(cell);
    return cell;
  }
}

/** What a row leaves out, in words. */
export function moreOf({ more, isCutHere, cut, via }) {
  const words = [];
  if (more) words.push(`+${count.format(more)} ${more === 1 ? "line" : "lines"}`);
  if (isCutHere) words.push("long");
  if (cut) words.push(`cut by ${count.format(cut)} B`);
  if (via === "publish") words.push("PUBLISH");
  return words.join(" · ");
}

/** The same colour for a service on every page and day. */
export function hueOf(service) {
  let hash = 7;
  for (let index = 0; index < service.length; index += 1) hash = (hash * 31 + service.charCodeAt(index)) | 0;
  return String(Math.abs(hash) % HUES);
}
