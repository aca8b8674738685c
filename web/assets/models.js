// The model picker: which of the API's models answers. It is there where there is something to choose.
"use strict";

(() => {
  const { storage } = Hopstream;
  const { byId } = Hopstream.dom;
  const NOTES = { reasoning: "thinks first", continues: "goes on after a crash" };

  class ModelPicker {
    #api;
    #field = byId("model");
    #default = null; // the name of the one that answers where none is named
    #ofAgent = null;

    constructor(api) {
      this.#api = api;
      this.#field.addEventListener("change", () => storage.write("model", this.chosen));
    }

    /** A name of the API's; null: the one that answers where none is named. */
    get chosen() {
      return this.#field.value || null;
    }

    /** Where none is named the agent's own answers, if it has one. */
    showAgentModel(name) {
      this.#ofAgent = name;
      this.#showDefault();
    }

    /** Asks until the API has told. */
    async load() {
      if (this.#default) return;
      try {
        const { models } = await this.#api.models();
        this.#show(models);
      } catch {
        // the API light tells, and the next look asks again
      }
    }

    #show(models) {
      const byDefault = models.find((model) => model.is_default);
      const others = models.filter((model) => model !== byDefault);
      this.#field.replaceChildren(option("", byDefault), ...others.map((model) => option(model.name, model)));
      const before = storage.read("model");
      if (others.some(({ name }) => name === before)) this.#field.value = before;
      this.#field.hidden = models.length < 2;
      this.#default = byDefault?.name ?? "Default model";
      this.#showDefault();
    }

    #showDefault() {
      if (this.#default) this.#field.options[0].text = this.#ofAgent ?? this.#default;
    }
  }

  function option(value, model) {
    const element = new Option(model?.name ?? "Default model", value);
    const notes = Object.keys(NOTES).filter((name) => model?.[name]);
    element.title = notes.map((name) => NOTES[name]).join(", ");
    return element;
  }

  Hopstream.ModelPicker = ModelPicker;
})();
