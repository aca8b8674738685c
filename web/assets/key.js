// The API key: asked for when the API wants one, kept by this browser until it is forgotten.
"use strict";

(() => {
  const { storage } = Hopstream;
  const { byId } = Hopstream.dom;

  class KeyDialog {
    #api;
    #dialog = byId("key-dialog");
    #field = byId("api-key");
    #asking = null; // {promise, resolve} while it is open

    /** `onKey` is called when there is another key than before, from this tab or another. */
    constructor(api, onKey) {
      this.#api = api;
      this.onKey = onKey;
      byId("key-form").addEventListener("submit", (event) => {
        event.preventDefault();
        this.#submit();
      });
      this.#field.addEventListener("input", () => this.#complain(""));
      this.#dialog.addEventListener("close", () => this.#dialog.open || this.#answer(false));
      storage.onChange(api.keyName, () => this.#onOtherTab());
      this.#setUpSettings();
    }

    /** Resolves to true once there is a key that works, to false when the person does not give one. */
    ask(complaint = "") {
      if (!this.#asking) {
        this.#asking = deferred();
        this.#field.value = "";
        byId("key-note").textContent = `For ${this.#api.base}. This browser keeps it until you forget it in the settings.`;
        this.#dialog.showModal();
        this.#complain(complaint);
      }
      return this.#asking.promise;
    }

    async #submit() {
      const key = this.#field.value.trim();
      if (!key) return this.#complain("Please enter a key.");
      const button = byId("use-key");
      button.disabled = true;
      try {
        await this.#api.tryKey(key);
      } catch (error) {
        return this.#complain(error.status === 401 ? "This key is not accepted." : error.message);
      } finally {
        button.disabled = false;
      }
      storage.write(this.#api.keyName, key);
      this.#answer(true);
    }

    #answer(hasKey) {
      const asking = this.#asking;
      this.#asking = null;
      this.#field.value = "";
      this.#dialog.close();
      asking?.resolve(hasKey);
      if (asking && hasKey) this.onKey();
    }

    #onOtherTab() {
      if (this.#api.key && this.#asking) this.#answer(true);
    }

    #complain(text) {
      const error = byId("key-error");
      error.textContent = text;
      error.hidden = !text;
      this.#field.ariaInvalid = String(Boolean(text));
      if (text) this.#field.focus();
    }

    #setUpSettings() {
      const settings = byId("settings");
      byId("open-settings").addEventListener("click", () => {
        byId("key-row").hidden = !this.#api.key;
      });
      byId("change-key").addEventListener("click", () => {
        settings.close("cancel");
        this.ask();
      });
      byId("forget-key").addEventListener("click", () => {
        storage.write(this.#api.keyName, null);
        location.reload(); // what it opened must not stay on the screen
      });
    }
  }

  function deferred() {
    let resolve;
    const promise = new Promise((whenDone) => (resolve = whenDone));
    return { promise, resolve };
  }

  Hopstream.KeyDialog = KeyDialog;
})();
