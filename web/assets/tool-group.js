// The tools of one step of an answer: a line for each call, which opens. What tools say is foreign text, and shown as such.
"use strict";

(() => {
  const { clone, duration, part, setText } = Hopstream.dom;
  const PREVIEW_CHARS = 200;

  class ToolGroup {
    constructor(step) {
      this.element = clone("tool-group-template");
      this.step = step;
    }

    /** `isOpen`: the answer is being written. `steps`: of the answer so far, 0 where its tools are not run here. */
    show(calls, { isOpen, steps }) {
      const title = part(this.element, "tool-step");
      title.hidden = steps === 0;
      setText(title, `Step ${this.step}`);
      this.element.ariaLabel = steps === 0 ? "Tools that the model asked for" : `Tools of step ${this.step}`;
      const list = part(this.element, "tool-list");
      while (list.children.length > calls.length) list.lastElementChild.remove();
      calls.forEach((call, index) => {
        const line = list.children[index] ?? list.appendChild(clone("tool-call-template"));
        showCall(line, call, stateOf(call, isOpen && steps > 0, steps > 0));
      });
    }
  }

  /** {name, words}: how a call stands. */
  function stateOf({ result, isError, inDoubt, truncated, seconds }, isRunning, isOurs) {
    if (result === null && isRunning) return { name: "running", words: "Running…" };
    if (result === null) return { name: "open", words: isOurs ? "No result" : "" };
    const took = seconds === null ? "" : duration(seconds * 1000);
    const outcome = inDoubt ? "Outcome unknown" : isError ? "Failed" : "";
    const words = [outcome, truncated ? "Cut off" : "", took].filter(Boolean).join(" · ");
    return { name: inDoubt ? "doubt" : isError ? "failed" : "done", words: words || "Done" };
  }

  function showCall(line, call, state) {
    const { name, arguments: given, result, inDoubt, truncated } = call;
    line.dataset.state = state.name;
    setText(part(line, "tool-name"), name);
    setText(line.querySelector(".tool-preview"), previewOf(given));
    setText(part(line, "tool-state"), state.words);
    setText(part(line, "tool-arguments"), pretty(given));
    const answer = line.querySelector(".tool-answer");
    answer.hidden = result === null;
    if (answer.hidden) return;
    setText(part(line, "tool-result"), pretty(result) || "(empty)");
    setText(part(line, "tool-note"), noteOf(inDoubt, truncated));
    part(line, "tool-note").hidden = !inDoubt && !truncated;
  }

  function noteOf(inDoubt, truncated) {
    if (inDoubt) return "Nobody knows whether this call was carried out: its worker was lost meanwhile, and it may not be repeated.";
    return truncated ? "The tool had more to say than is kept." : "";
  }

  /** JSON as people read it; a text as it is. */
  function pretty(text) {
    const value = parse(text);
    return typeof value === "object" && value !== null ? JSON.stringify(value, null, 2) : text;
  }

  /** Arguments on one line: `city: Oslo, days: 3`. */
  function previewOf(text) {
    const value = parse(text);
    if (typeof value !== "object" || value === null) return "";
    const words = Object.entries(value).map(([name, each]) => `${name}: ${typeof each === "string" ? each : JSON.stringify(each)}`);
    return words.join(", ").replace(/\s+/g, " ").slice(0, PREVIEW_CHARS);
  }

  function parse(text) {
    try {
      return JSON.parse(text);
    } catch {
      return undefined; // arguments that are being written, or a plain text
    }
  }

  Hopstream.ToolGroup = ToolGroup;
})();
