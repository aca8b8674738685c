// The key of the logs: asked for when the gateway wants one, kept by this tab.
const { byId } = Hopstream.dom;

export class KeyDialog {
  #gateway;
  #dialog = byId("key-dialog");
  #field = byId("log-key");

  /** `onKey()` is called when there is a key that works. */
  constructor(gateway, onKey) {
    this.#gateway = gateway;
    this.onKey = onKey;
    byId("key-form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#submit();
    });
    this.#field.addEventListener("input", () => this.#complain(""));
    byId("open-settings").addEventListener("click", () => (byId("key-row").hidden = !gateway.key));
    byId("change-key").addEventListener("click", () => {
      byId("settings").close();
      this.ask();
    });
    byId("forget-key").addEventListener("click", () => {
      gateway.key = null;
      location.reload(); // what it opened must not stay on the screen
    });
  }

  ask() {
    if (this.#dialog.open) return;
    this.#field.value = "";
    this.#dialog.showModal();
    this.#complain(this.#gateway.key ? "The key of this tab is not accepted (any more)." : "");
  }

  async #submit() {
    const key = this.#field.value.trim();
    if (!key) return this.#complain("Please enter a key.");
    const button = byId("use-key");
    button.disabled = true;
    try {
      await this.#gateway.tryKey(key);
    } catch (error) {
      return this.#complain(error.status === 401 ? "This key is not accepted." : `${error.message}.`);
    } finally {
      button.disabled = false;
    }
    this.#field.value = "";
    this.#dialog.close();
    this.onKey();
  }

  #complain(text) {
    const error = byId("key-error");
    error.textContent = text;
    error.hidden = !text;
    this.#field.ariaInvalid = String(Boolean(text));
    if (text) this.#field.focus();
  }
}
