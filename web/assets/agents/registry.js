// The agents that the API tells of, and what becomes of them.
"use strict";

(() => {
  const { tabs } = Hopstream;

  class Registry {
    #api;
    #loads = 0; // begun
    #newest = 0; // of those that are shown
    #changes = 0; // made here
    agents = [];
    models = [];
    tools = [];
    isLoaded = false;

    /** `onChange` is called when there is something new. */
    constructor(api, onChange) {
      this.#api = api;
      this.onChange = onChange;
      tabs.onTold((type) => type === "agents" && this.load().catch(() => {})); // the next look tells
    }

    /** Raises ApiError. What was told before a change is asked again, and what comes late not shown. */
    async load() {
      const number = (this.#loads += 1);
      let changes, told;
      do {
        changes = this.#changes;
        told = await Promise.all(["/agents", "/models", "/tools"].map((path) => this.#api.call("GET", path)));
      } while (changes !== this.#changes);
      if (number < this.#newest) return;
      this.#newest = number;
      const [{ agents }, { models }, { tools }] = told;
      Object.assign(this, { agents, models, tools, isLoaded: true });
      this.onChange();
    }

    find(id) {
      return this.agents.find((agent) => agent.id === id) ?? null;
    }

    /** As it is now; null where it is gone. Raises ApiError. */
    async read(id) {
      try {
        return this.#keep(await this.#api.call("GET", `/agents/${id}`));
      } catch (error) {
        if (error.status !== 404) throw error;
        this.#drop(id);
        return null;
      }
    }

    /** Over the version of that entity tag; null: a new one. Raises ApiError: 412 where it is not so (any more). */
    async store({ id, ...members }, etag) {
      const condition = etag === null ? { "If-None-Match": "*" } : { "If-Match": etag };
      const stored = await this.#api.call("PUT", `/agents/${id}`, { body: members, headers: condition });
      this.#keep(stored);
      tabs.tell("agents");
      return stored;
    }

    /** Raises ApiError: 412 where it is another version. */
    async remove({ id, etag }) {
      try {
        await this.#api.call("DELETE", `/agents/${id}`, { headers: { "If-Match": etag } });
      } catch (error) {
        if (error.status !== 404) throw error;
      }
      this.#drop(id);
      tabs.tell("agents");
    }

    #keep(agent) {
      this.#changes += 1;
      const others = this.agents.filter(({ id }) => id !== agent.id);
      this.agents = [...others, agent].sort((a, b) => (a.id < b.id ? -1 : 1));
      this.onChange();
      return agent;
    }

    #drop(id) {
      this.#changes += 1;
      this.agents = this.agents.filter((agent) => agent.id !== id);
      this.onChange();
    }
  }

  Hopstream.Registry = Registry;
})();
