// The list of agents, and the search in it.
"use strict";

(() => {
  const { byId, clone, focusBySlash, setText } = Hopstream.dom;

  class AgentList {
    #list = byId("agents");
    #search = byId("search");
    #agents = [];
    #currentId = null;
    #isLoaded = false;

    constructor() {
      this.#search.addEventListener("input", () => this.#draw());
      this.#search.addEventListener("keydown", (event) => this.#onKeyDown(event));
      focusBySlash(this.#search);
    }

    show(agents, { currentId, isLoaded }) {
      this.#agents = agents;
      this.#currentId = currentId;
      this.#isLoaded = isLoaded;
      this.#draw();
    }

    /** Items are kept, and with them the focus and the place that the list is scrolled to. */
    #draw() {
      const words = this.#search.value.toLowerCase().split(/\s+/).filter(Boolean);
      const found = this.#agents.filter(({ id, name }) => words.every((word) => `${id} ${name}`.toLowerCase().includes(word)));
      const present = new Map([...this.#list.children].map((item) => [item.dataset.id, item]));
      for (const [id, item] of present) if (!found.some((agent) => agent.id === id)) item.remove();
      found.forEach((agent, index) => {
        const item = present.get(agent.id) ?? clone("agent-template");
        if (this.#list.children[index] !== item) this.#list.insertBefore(item, this.#list.children[index] ?? null);
        showItem(item, agent, agent.id === this.#currentId);
      });
      const note = byId("list-note");
      note.hidden = !this.#isLoaded || found.length > 0;
      setText(note, this.#agents.length ? "No agent matches." : "There are no agents yet.");
    }

    /** Esc empties it, and then leaves it. */
    #onKeyDown(event) {
      if (event.key !== "Escape" || event.isComposing) return;
      event.preventDefault();
      if (!this.#search.value) this.#search.blur();
      this.#search.value = "";
      this.#draw();
    }
  }

  function showItem(item, { id, name, model, tools, editable }, isCurrent) {
    const link = item.firstElementChild;
    item.dataset.id = id;
    link.href = `#${id}`;
    link.ariaCurrent = isCurrent ? "page" : null;
    setText(link.querySelector(".agent-name"), name);
    const count = tools.length && `${tools.length} ${tools.length === 1 ? "tool" : "tools"}`;
    setText(link.querySelector(".agent-facts"), [id, model, count, !editable && "read-only"].filter(Boolean).join(" · "));
  }

  Hopstream.AgentList = AgentList;
})();
