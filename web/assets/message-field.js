// A field in which a message is written: as high as its text, and Enter sends.
"use strict";

(() => {
  const KEYCODE_OF_AN_INPUT_METHOD = 229; // Safari ends the composition before it tells of the Enter that ended it

  class MessageField {
    #field;

    /** Handlers: onInput() when somebody has typed, onSubmit(). */
    constructor(field, { onInput, onSubmit }) {
      this.#field = field;
      this.onSubmit = onSubmit;
      field.addEventListener("input", () => {
        this.#fit();
        onInput();
      });
      field.addEventListener("keydown", (event) => this.#onKey(event));
    }

    get text() {
      return this.#field.value;
    }

    set text(text) {
      this.#field.value = text;
      this.#fit();
    }

    /** On a touch screen the focus would bring the keyboard up over what is to be read. */
    focus() {
      if (matchMedia("(hover: hover)").matches) this.#field.focus({ preventScroll: true });
    }

    /** A keyboard on a touch screen has no Shift+Enter: there Enter makes a line, and the button sends. */
    #onKey(event) {
      if (event.key !== "Enter" || event.shiftKey) return;
      if (matchMedia("(hover: none) and (pointer: coarse)").matches && !event.ctrlKey && !event.metaKey) return;
      if (event.isComposing || event.keyCode === KEYCODE_OF_AN_INPUT_METHOD) return;
      event.preventDefault();
      this.onSubmit();
    }

    #fit() {
      const { style } = this.#field;
      style.height = "auto";
      style.height = `${this.#field.scrollHeight}px`; // the style sheet bounds it
    }
  }

  Hopstream.MessageField = MessageField;
})();
