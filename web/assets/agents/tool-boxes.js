// The tools that an agent may call: those that the API has for this key, and those that the agent names all the same.
"use strict";

(() => {
  const { byId, clone } = Hopstream.dom;

  class ToolBoxes {
    #list = byId("tool-boxes");
    #chosen = []; // as the agent has them, whose order is kept

    fill(tools, chosen) {
      this.#chosen = chosen;
      const missing = chosen.filter((name) => !tools.some((tool) => tool.name === name));
      const gone = missing.map((name) => ({ name, description: "There is no such tool for you (any more): untick it.", isGone: true }));
      this.#list.replaceChildren(...[...tools, ...gone].map((tool) => box(tool, chosen.includes(tool.name))));
      byId("tools-hint").textContent = tools.length
        ? "The operator has set them up; the agent may call those that are ticked."
        : "The operator has set up no tools.";
    }

    read() {
      const ticked = [...this.#list.querySelectorAll("input:checked")].map(({ value }) => value);
      return [...this.#chosen.filter((name) => ticked.includes(name)), ...ticked.filter((name) => !this.#chosen.includes(name))];
    }
  }

  function box({ name, description, isGone = false }, isChosen) {
    const item = clone("tool-box-template");
    const input = item.querySelector("input");
    Object.assign(input, { value: name, checked: isChosen });
    item.querySelector(".tool-box-name").textContent = name;
    const about = item.querySelector(".tool-box-about");
    about.id = `about-${name}`;
    about.textContent = description ?? "";
    input.setAttribute("aria-describedby", about.id);
    item.classList.toggle("gone", isGone);
    return item;
  }

  Hopstream.ToolBoxes = ToolBoxes;
})();
