// How this browser likes to see lines: kept, and the same in all its tabs.
const { storage } = Hopstream;
const { byId, setText } = Hopstream.dom;
const NAMES = ["wrap", "utc", "figures", "aloud"];

export class Preferences {
  /** `onChange(name)` is called for each that has changed. */
  constructor(onChange) {
    this.onChange = onChange;
    byId("wrap").addEventListener("click", () => this.toggle("wrap"));
    byId("zone").addEventListener("click", () => this.toggle("utc"));
    byId("figures-toggle").addEventListener("click", () => this.toggle("figures"));
    byId("aloud").addEventListener("change", () => this.toggle("aloud"));
    byId("use-utc").addEventListener("change", () => this.toggle("utc"));
    storage.onChange("logs.", () => NAMES.forEach((name) => this.#tell(name)));
    this.#show();
  }

  is(name) {
    return storage.read(`logs.${name}`) === "yes";
  }

  toggle(name) {
    storage.write(`logs.${name}`, this.is(name) ? null : "yes");
    this.#tell(name);
  }

  #tell(name) {
    this.#show();
    this.onChange(name);
  }

  #show() {
    byId("wrap").ariaPressed = String(this.is("wrap"));
    byId("figures-toggle").ariaExpanded = String(this.is("figures"));
    byId("aloud").checked = this.is("aloud");
    byId("use-utc").checked = this.is("utc");
    setText(byId("zone"), this.is("utc") ? "UTC" : "Local time");
    setText(byId("download-zone"), this.is("utc") ? "times in UTC" : "local times");
  }
}
