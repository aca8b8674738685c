// The options of an agent: how the model is to choose its words.
"use strict";

(() => {
  const { byId } = Hopstream.dom;
  const NUMBER = { tag: "input", type: "number", step: "any" };
  const WHOLE = { tag: "input", type: "number", step: "1" };
  const USUAL = [
    { name: "temperature", label: "Temperature", hint: "0 to 2", ...NUMBER, min: 0, max: 2 },
    { name: "max_tokens", label: "Max tokens", hint: "of an answer", ...WHOLE, min: 1, max: 1_000_000 },
    { name: "reasoning_effort", label: "Reasoning effort", tag: "select", values: ["none", "minimal", "low", "medium", "high"] },
  ];
  const MORE = [
    { name: "top_p", label: "Top p", hint: "0 to 1", ...NUMBER, min: 0, max: 1 },
    { name: "seed", label: "Seed", ...WHOLE },
    { name: "presence_penalty", label: "Presence penalty", hint: "−2 to 2", ...NUMBER, min: -2, max: 2 },
    { name: "frequency_penalty", label: "Frequency penalty", hint: "−2 to 2", ...NUMBER, min: -2, max: 2 },
    { name: "stop", label: "Stop at", hint: "One text a line, at most four; \\n is a line break.", tag: "textarea" },
  ];

  class OptionFields {
    #fields = new Map(); // by option
    #others = {}; // options that this page does not know

    constructor() {
      for (const [place, options] of [["usual-options", USUAL], ["more-options", MORE]]) {
        byId(place).append(...options.map((option) => this.#make(option)));
      }
    }

    fill(options) {
      this.#others = { ...options };
      for (const [name, field] of this.#fields) {
        delete this.#others[name];
        field.value = name === "stop" ? linesOf(options.stop) : String(options[name] ?? "");
      }
      byId("more-options-fold").open = MORE.some(({ name }) => name in options);
    }

    read() {
      const told = [...this.#fields].filter(([, { value }]) => value.trim() !== "");
      return { ...this.#others, ...Object.fromEntries(told.map(([name, field]) => [name, valueOf(field)])) };
    }

    /** [{field, message}] of what the browser can tell. */
    get problems() {
      const wrong = [...this.#fields].filter(([, field]) => !field.validity.valid);
      return wrong.map(([name, field]) => ({ field: `options.${name}`, message: field.validationMessage }));
    }

    #make({ name, label, hint = "", tag, values = [], ...attributes }) {
      const field = document.createElement(tag);
      Object.assign(field, { id: `option-${name}`, rows: 2, ...attributes });
      field.dataset.testid = `option-${name}`;
      field.setAttribute("aria-describedby", `option-${name}-hint option-${name}-error`);
      if (values.length) field.append(new Option("", ""), ...values.map((value) => new Option(value, value)));
      this.#fields.set(name, field);
      const box = document.createElement("div");
      box.className = "field";
      const head = Object.assign(document.createElement("label"), { htmlFor: field.id, textContent: label });
      const note = Object.assign(document.createElement("p"), { id: `${field.id}-hint`, className: "field-hint", textContent: hint });
      const error = Object.assign(document.createElement("p"), { id: `${field.id}-error`, className: "field-error", hidden: true });
      error.dataset.error = `options.${name}`;
      box.append(head, field, note, error);
      return box;
    }
  }

  function valueOf(field) {
    if (field.type === "number") return field.valueAsNumber;
    return field.tagName === "TEXTAREA" ? field.value.split("\n").filter(Boolean).map(unescape) : field.value;
  }

  const linesOf = (stop = []) => [stop].flat().map(escape).join("\n");
  const escape = (text) => text.replaceAll("\\", "\\\\").replaceAll("\n", "\\n").replaceAll("\t", "\\t");
  const unescape = (text) => text.replace(/\\([nt\\])/g, (_, sign) => ({ n: "\n", t: "\t" })[sign] ?? sign);

  Hopstream.OptionFields = OptionFields;
})();
