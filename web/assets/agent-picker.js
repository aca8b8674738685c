// The agent picker: who answers in this chat. It is there where there is an agent; a chat goes on with its latest one.
"use strict";

(() => {
  const { storage } = Hopstream;
  const { byId } = Hopstream.dom;
  const NONE = "-"; // no agent's id

  class AgentPicker {
    #api;
    #field = byId("agent");
    #agents = null; // as the API tells them
    #sessionId = null;
    #latest = null; // the agent of the chat's latest turn

    /** `onChange(agent)`: another one is chosen, or none. */
    constructor(api, onChange) {
      this.#api = api;
      this.onChange = onChange;
      this.#field.addEventListener("change", () => {
        storage.write(choiceKey(this.#sessionId), this.#field.value || NONE);
        this.#show();
      });
    }

    /** {id, name, model}, or null. One that is gone is asked for all the same: the API refuses it in words. */
    get chosen() {
      const id = this.#chosenId;
      if (!id) return null;
      const known = this.#find(id) ?? (this.#latest?.id === id ? this.#latest : null);
      return { id, name: known?.name ?? id, model: known?.model ?? null };
    }

    get #chosenId() {
      const choice = storage.read(choiceKey(this.#sessionId));
      if (choice === NONE) return null;
      return choice ?? this.#latest?.id ?? null;
    }

    /** Asks until the API has told. */
    async load() {
      if (!this.#agents) await this.reload();
    }

    async reload() {
      try {
        this.#agents = (await this.#api.agents()).agents;
      } catch {
        return; // the API light tells, and the next look asks again
      }
      this.#show();
    }

    /** That chat is shown; null: the one that has no turn yet. */
    open(sessionId) {
      this.#sessionId = sessionId;
      this.#latest = null;
      this.#show();
    }

    /** The new chat has become that session, and the choice goes with it. */
    adopt(sessionId) {
      const choice = storage.read(choiceKey(this.#sessionId));
      storage.write(choiceKey(this.#sessionId), null);
      this.#sessionId = sessionId;
      storage.write(choiceKey(sessionId), choice);
    }

    /** What was chosen for that chat is asked: from now on its turns tell. */
    settle(sessionId) {
      storage.write(choiceKey(sessionId), null);
    }

    /** The chat's turns have news. */
    follow(turns) {
      const latest = turns.at(-1)?.agent ?? null;
      if (latest?.id === this.#latest?.id) return;
      this.#latest = latest;
      this.#show();
    }

    #find(id) {
      return this.#agents?.find((agent) => agent.id === id);
    }

    #show() {
      const { chosen } = this;
      const agents = this.#agents ?? [];
      const options = [new Option("No agent", ""), ...agents.map(({ id, name }) => new Option(name, id))];
      const isKnown = !chosen || this.#find(chosen.id);
      if (!isKnown) options.push(new Option(this.#agents ? `${chosen.name} (gone)` : chosen.name, chosen.id));
      this.#field.replaceChildren(...options);
      this.#field.value = chosen?.id ?? "";
      this.#field.hidden = options.length < 2;
      this.onChange(chosen);
    }
  }

  const choiceKey = (sessionId) => `agent:${sessionId ?? "new"}`;

  Hopstream.AgentPicker = AgentPicker;
})();
