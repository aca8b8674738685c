// An agent as a form: what is in it, whether it was changed, and what is wrong where.
"use strict";

(() => {
  const { OptionFields, ToolBoxes, markdown } = Hopstream;
  const { byId } = Hopstream.dom;
  const TEXTS = ["name", "system_prompt", "markdown_context"];
  const ID = /^[a-z0-9][a-z0-9_-]{0,63}$/; // as the API has it
  const ID_CHARS = 64;

  class AgentForm {
    #form = byId("form");
    #options = new OptionFields();
    #tools = new ToolBoxes();
    #isNew = false;
    #isIdTyped = false;
    #saved = ""; // as it was filled, or stored since
    isEditable = true;

    /** `onChange()` is called when somebody changes something. */
    constructor(onChange) {
      this.#form.addEventListener("input", (event) => this.#onInput(event, onChange));
      byId("context-view").addEventListener("change", () => this.#showContext());
    }

    fill(agent, { isNew, models, tools }) {
      this.#isNew = isNew;
      this.#isIdTyped = agent.id !== "";
      this.isEditable = agent.editable;
      for (const name of ["id", ...TEXTS]) byId(name).value = agent[name];
      showModels(byId("agent-model"), models, agent.model);
      this.#options.fill(agent.options);
      this.#tools.fill(tools, agent.tools);
      byId("id").readOnly = !isNew;
      byId("id-hint").hidden = !isNew;
      for (const name of TEXTS) byId(name).readOnly = !agent.editable;
      for (const field of this.#form.querySelectorAll("select, input[type=checkbox], .group input, .group textarea")) {
        field.disabled = !agent.editable;
      }
      this.#showContext();
      this.showErrors([]);
      this.#saved = JSON.stringify(this.read());
    }

    /** These values are stored now, and their id stays. */
    keep(values) {
      this.#saved = JSON.stringify(values);
      this.#isNew = false;
      byId("id").value = values.id;
      byId("id").readOnly = true;
      byId("id-hint").hidden = true;
    }

    read() {
      const texts = Object.fromEntries(["id", ...TEXTS].map((name) => [name, byId(name).value]));
      return { ...texts, model: byId("agent-model").value || null, options: this.#options.read(), tools: this.#tools.read() };
    }

    get isDirty() {
      return this.isEditable && (JSON.stringify(this.read()) !== this.#saved || this.#options.problems.length > 0);
    }

    /** [{field, message}] of what can be told without the API. */
    get problems() {
      const missing = ["name", "id", "system_prompt"].filter((name) => !byId(name).value.trim());
      const problems = missing.map((field) => ({ field, message: "Please fill this in." }));
      if (!missing.includes("id") && !ID.test(byId("id").value)) {
        problems.push({ field: "id", message: "Up to 64 of a–z, 0–9, - and _, the first a letter or a digit." });
      }
      return [...problems, ...this.#options.problems];
    }

    /** At their fields, the focus at the first. Returns what has no field here. */
    showErrors(errors) {
      for (const place of this.#form.querySelectorAll("[data-error]")) this.#showError(place, "");
      const placed = errors.map((error) => ({ error, place: this.#placeOf(error.field) }));
      for (const { error, place } of placed) if (place) this.#showError(place, error.message);
      this.#form.querySelector("[data-error]:not([hidden])")?.scrollIntoView({ block: "center" });
      this.#form.querySelector("[aria-invalid=true]")?.focus();
      return placed.filter(({ place }) => !place).map(({ error }) => error);
    }

    focus() {
      byId("name").focus();
    }

    /** `tools.0` is of `tools`, as far as no part has a place of its own. */
    #placeOf(field) {
      const names = field.split(".");
      while (names.length) {
        const place = this.#form.querySelector(`[data-error="${CSS.escape(names.join("."))}"]`);
        if (place) return place;
        names.pop();
      }
      return null;
    }

    #showError(place, message) {
      place.textContent = message;
      place.hidden = !message;
      const field = this.#form.querySelector(`[aria-describedby~="${place.id}"]`);
      if (!field) return;
      if (message) field.ariaInvalid = "true";
      else field.removeAttribute("aria-invalid");
      const fold = field.closest("details");
      if (message && fold) fold.open = true;
    }

    #onInput({ target }, onChange) {
      if (target.name === "context") return;
      if (target.id === "id") this.#isIdTyped = target.value !== "";
      if (target.id === "name" && this.#isNew && !this.#isIdTyped) byId("id").value = idOf(target.value);
      const place = this.#form.querySelector(`[data-error="${CSS.escape(target.id.replace("option-", "options."))}"]`);
      if (place) this.#showError(place, "");
      onChange();
    }

    #showContext() {
      const isPreview = this.#form.elements.context.value === "preview";
      const text = byId("markdown_context").value;
      byId("markdown_context").hidden = isPreview;
      byId("preview").hidden = !isPreview;
      if (isPreview) byId("preview").replaceChildren(text.trim() ? markdown.render(markdown.lex(text), { highlighted: true }) : "Nothing to preview.");
    }
  }

  function showModels(field, models, chosen) {
    const byDefault = models.find((model) => model.is_default);
    const names = models.map(({ name }) => name);
    if (chosen && !names.includes(chosen)) names.push(chosen);
    const usual = new Option(byDefault ? `The default one (${byDefault.name})` : "The default one", "");
    field.replaceChildren(usual, ...names.map((name) => new Option(name, name)));
    field.value = chosen ?? "";
  }

  /** A name as an id. */
  function idOf(name) {
    const plain = name.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();
    return plain.replace(/[^a-z0-9]+/g, "-").replace(/^-|-$/g, "").slice(0, ID_CHARS).replace(/-$/, "");
  }

  Hopstream.AgentForm = AgentForm;
})();
