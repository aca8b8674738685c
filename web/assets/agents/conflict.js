// Somebody else has changed the agent meanwhile: their version beside one's own, and the choice.
"use strict";

(() => {
  const { ask } = Hopstream.dialogs;
  const { byId } = Hopstream.dom;
  const NAMES = { name: "Name", system_prompt: "Prompt", markdown_context: "Context", model: "Model", options: "Options", tools: "Tools" };

  /** Resolves to "theirs", "mine", or "" to go on editing. `theirs` is null where it was deleted. */
  function askAboutConflict(mine, theirs) {
    byId("conflict-title").textContent = theirs ? "Somebody else has changed this agent" : "Somebody else has deleted this agent";
    byId("conflict-text").textContent = theirs
      ? "Since you opened it. You can keep your version, which overwrites theirs, or take theirs, which drops yours."
      : "Since you opened it. You can store your version again, or let it go.";
    byId("conflict-theirs").textContent = theirs ? "Take theirs" : "Let it go";
    byId("conflict-mine").textContent = theirs ? "Keep mine" : "Store mine again";
    const rows = theirs ? Object.keys(NAMES).filter((name) => wordsOf(mine[name]) !== wordsOf(theirs[name])) : [];
    byId("conflict-rows").replaceChildren(...rows.map((name) => row(NAMES[name], theirs[name], mine[name])));
    byId("conflict-scroll").hidden = rows.length === 0;
    return ask(byId("conflict"));
  }

  function row(name, theirs, mine) {
    const element = document.createElement("tr");
    const head = document.createElement("th");
    head.scope = "row";
    head.textContent = name;
    element.append(head, cell("Theirs", theirs), cell("Yours", mine));
    return element;
  }

  function cell(owner, value) {
    const element = document.createElement("td");
    element.dataset.owner = owner;
    const text = document.createElement("pre");
    text.dir = "auto";
    text.textContent = wordsOf(value) || "–";
    element.append(text);
    return element;
  }

  function wordsOf(value) {
    if (Array.isArray(value)) return value.join("\n");
    if (typeof value !== "object" || value === null) return value ?? "";
    const members = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
    return members.map(([name, each]) => `${name}: ${JSON.stringify(each)}`).join("\n");
  }

  Hopstream.askAboutConflict = askAboutConflict;
})();
