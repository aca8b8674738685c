// Keys: what each does, told by the help as well.
const { byId } = Hopstream.dom;

export class Keys {
  #actions = new Map();

  /** `actions`: [keys, words, act, where]; `where` "list" for those that act only there. */
  constructor(actions) {
    for (const [keys, , act, where] of actions) for (const key of keys) this.#actions.set(key, { act, where });
    document.addEventListener("keydown", (event) => this.#onKey(event));
    byId("keys").append(...actions.flatMap(described));
    byId("open-help").addEventListener("click", () => byId("help").showModal());
  }

  #onKey(event) {
    if (event.isComposing || event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    if (document.querySelector("dialog[open]")) return;
    const { target } = event;
    const isWriting = target.closest?.("input, textarea, select, [contenteditable]");
    if (isWriting && event.key !== "Escape") return;
    if (isPressed(target, event.key)) return;
    const action = this.#actions.get(event.key);
    if (!action || (action.where === "list" && target.closest("button, a, summary, .panel, .figures, .filters"))) return;
    if (action.act(event) !== false) event.preventDefault();
  }
}

/** Space and Enter belong to a button that has the focus. */
function isPressed(target, key) {
  return (key === " " || key === "Enter") && target.closest?.("button, a, summary, [role=button]");
}

function described([keys, words]) {
  if (!words) return [];
  const term = document.createElement("dt");
  for (const key of keys) {
    const element = document.createElement("kbd");
    element.textContent = NAMES[key] ?? key;
    term.append(element, " ");
  }
  const description = document.createElement("dd");
  description.textContent = words;
  return [term, description];
}

const NAMES = { " ": "Space", ArrowUp: "↑", ArrowDown: "↓", PageUp: "PgUp", PageDown: "PgDn", Escape: "Esc" };
