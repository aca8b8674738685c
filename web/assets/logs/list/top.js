// What stands above the first line: whether there are older ones, and how to get them.
import { exact } from "../text/times.js";

const { setText } = Hopstream.dom;

export class ListTop {
  #words;
  #button;
  #act = () => {};

  constructor(element) {
    [this.#words, this.#button] = element.querySelectorAll("span, button");
    this.#button.addEventListener("click", () => this.#act());
  }

  /** `onOlderThan()` leads to lines that do not fit beside those that are here. */
  show(history, { isFull, isUtc, hasLines, onOlderThan }) {
    const [words, button, act] = stateOf(history, { isFull, isUtc, hasLines, onOlderThan });
    setText(this.#words, words);
    this.#button.hidden = !button;
    setText(this.#button, button ?? "");
    this.#act = act ?? (() => {});
  }
}

function stateOf(history, { isFull, isUtc, hasLines, onOlderThan }) {
  if (history.problem) return [`Older lines are missing: ${history.problem.message}.`, "Try again", () => history.again()];
  if (history.isLoading) return [history.scannedTo ? `Searching, back to ${exact(history.scannedTo, isUtc)} …` : "Reading older lines …"];
  if (!history.isLoaded) return [""];
  if (history.hasOlder && isFull) return ["This page keeps no more lines.", "Show those before these", onOlderThan];
  if (history.hasOlder && history.isTired) return [`Searched back to ${exact(history.scannedTo ?? "", isUtc)}.`, "Search further", () => history.older({ isAsked: true })];
  if (history.hasOlder) return ["Older lines are read as you scroll up."];
  return [hasLines ? "The first line that is kept." : ""];
}
