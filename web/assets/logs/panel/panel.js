// One line whole: its fields, all of its text, and ways to the lines it belongs with.
import { plainText } from "../text/draw.js";
import { exact } from "../text/times.js";
import { bytes } from "../board/status-bar.js";
import { drawFields } from "./fields.js";
import { drawWhole } from "./whole-text.js";

const { byId, copy } = Hopstream.dom;

export class Panel {
  #element = byId("panel");
  #parts = build();
  line = null;
  isUtc = false;

  /** Handlers: onClose(), onFilter(changes, {isAdded}), onAround(line), linkTo(line), marksIn(text). */
  constructor(handlers) {
    Object.assign(this, handlers);
    const { head, actions, facts, fields, text } = this.#parts;
    this.#element.append(head, actions, facts, text, fields);
    this.#parts.close.addEventListener("click", () => this.onClose());
  }

  get isOpen() {
    return !this.#element.hidden;
  }

  open(line) {
    this.line = line;
    this.#element.hidden = false;
    const { level, service, facts, fields, text, actions } = this.#parts;
    level.textContent = line.level ?? "no level";
    level.dataset.level = line.level ?? "none";
    service.textContent = line.service;
    facts.replaceChildren(...this.#facts(line));
    drawWhole(text, line.message, this.marksIn);
    drawFields(fields, line.fields);
    actions.replaceChildren(...this.#actions(line));
    this.#element.scrollTop = text.scrollTop = 0;
  }

  close() {
    this.line = null;
    this.#element.hidden = true;
  }

  #facts(line) {
    const facts = [
      ["Time", exact(line.time, this.isUtc)],
      line.arrived && ["Arrived", `${exact(line.arrived, this.isUtc)}: its own time cannot be right`],
      ["Channel", line.channel],
      ["Id", line.id],
      line.cut && ["Cut", `${bytes(line.cut)} of it were left out: it was too long`],
      line.via === "publish" && ["Came by", "PUBLISH: anybody with the way to Redis may have said it"],
    ];
    return facts.filter(Boolean).flatMap(([name, value]) => [make("dt", name), make("dd", value)]);
  }

  #actions(line) {
    const { request_id: request, session_id: session } = line.fields;
    const record = { time: line.time, service: line.service, level: line.level, message: line.message, ...line.fields };
    const hasColours = plainText(line.message) !== line.message;
    return [
      copier("Copy", "copy-line", line.message, "The text as it was"),
      hasColours && copier("Copy without colours", "copy-plain", plainText(line.message)),
      copier("Copy JSON", "copy-json", JSON.stringify(record, null, 2)),
      copier("Copy link", "copy-link", this.linkTo(line)),
      request && this.#filter("All lines of this request", "same-request", { request: String(request) }),
      session && this.#filter("All lines of this session", "same-session", { session: String(session) }),
      this.#button("What was said around it", "around", () => this.onAround(line)),
      line.service && this.#button("This service alone", "same-service", () => this.onFilter({ service: [line.service] }, { isAdded: true })),
    ].filter(Boolean);
  }

  #filter(words, testId, changes) {
    return this.#button(words, testId, () => this.onFilter(changes));
  }

  #button(words, testId, act) {
    const button = make("button", words);
    button.type = "button";
    button.className = "button small";
    button.dataset.testid = testId;
    button.addEventListener("click", act);
    return button;
  }
}

function copier(words, testId, text, title = "") {
  const button = make("button", words);
  button.type = "button";
  button.className = "button small copier";
  button.dataset.testid = testId;
  button.title = title;
  button.addEventListener("click", () => copy(text, button));
  return button;
}

function build() {
  const head = make("div");
  const level = make("span");
  const service = make("bdi");
  const close = make("button", "Close");
  head.className = "panel-head";
  level.className = "level-badge";
  close.type = "button";
  close.className = "button small";
  close.dataset.testid = "close-panel";
  close.title = "Esc";
  const title = make("h2");
  title.append(level, service);
  head.append(title, close);
  const actions = make("div");
  actions.className = "panel-actions";
  const facts = make("dl");
  facts.className = "facts";
  const text = make("div");
  text.className = "whole-text";
  text.tabIndex = 0;
  text.role = "region";
  text.ariaLabel = "Text of the line";
  text.dataset.testid = "whole-text";
  const fields = make("dl");
  fields.className = "facts fields";
  fields.dataset.testid = "fields";
  return { head, level, service, close, actions, facts, text, fields };
}

function make(name, text = "") {
  return Object.assign(document.createElement(name), { textContent: text });
}
