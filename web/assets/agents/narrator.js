// The narrator of a conversation: what was posted to it, and what its controller has said.
"use strict";

(() => {
  const { newSessionId } = Hopstream;
  const { asSentence, byId, clone, setText, stamp } = Hopstream.dom;
  const CONTROLLER = "controller"; // the API's own name for who answers where none is named
  const RELAY_MS = 60_000; // the API waits 45 s for a controller
  const PAGE_EVENTS = 200;

  class NarratorPanel {
    #api;
    #seq = null; // of the last event that is shown; null: nothing is known
    #conversation = null;
    #shownId = null; // of the conversation whose events are shown
    #loading = Promise.resolve();
    #posting = { message: "", messageId: "" }; // the same again has the same id: it is not relayed twice

    /** `onMakeAgent(id)`: somebody wants an agent for a controller. */
    constructor(api, onMakeAgent) {
      this.#api = api;
      this.onMakeAgent = onMakeAgent;
      byId("narrator").addEventListener("toggle", () => this.show(this.#conversation));
      byId("narrator-form").addEventListener("submit", (event) => {
        event.preventDefault();
        this.#post();
      });
    }

    /** `conversation`: the trial. */
    show(conversation) {
      this.#conversation = conversation;
      if (!byId("narrator").open || !conversation?.agentId || conversation.sessionId === this.#shownId) return;
      this.#clear();
      this.#shownId = conversation.sessionId;
      conversation.connect();
      this.#load();
    }

    /** What is known of the conversation: up to that event. */
    get seq() {
      return this.#isShown ? this.#seq : null;
    }

    /** The connection stands: what was said meanwhile follows on it, or is in the feed. */
    ready({ narratorSeq = 0 }) {
      if (this.#isShown && this.#seq !== null && narratorSeq > this.#seq) this.#load();
    }

    narration({ seq, ...event }) {
      if (!this.#isShown || this.#seq === null || seq <= this.#seq) return;
      if (seq === this.#seq + 1) this.#add({ seq, type: "NARRATION", ...event });
      else this.#load(); // posts come before it
    }

    get #isShown() {
      return this.#shownId !== null && this.#shownId === this.#conversation?.sessionId;
    }

    #clear() {
      this.#seq = null;
      byId("narrations").replaceChildren();
      byId("narrations").hidden = true;
      this.#complain(null);
    }

    /** One after the other, so that nothing is shown twice. */
    #load() {
      this.#loading = this.#loading.then(() => this.#readOn()).catch((error) => this.#complain(error));
      return this.#loading;
    }

    async #readOn() {
      const conversationId = this.#shownId;
      const query = () => ({ conversationId, after: this.#seq ?? 0, limit: PAGE_EVENTS });
      while (conversationId === this.#shownId) {
        const { events } = await this.#api.call("GET", "/narrator/feed", { query: query() });
        if (conversationId !== this.#shownId) return;
        this.#seq ??= 0;
        for (const event of events) this.#add(event);
        if (events.length < PAGE_EVENTS) return;
      }
    }

    async #post() {
      const field = byId("narrator-message");
      const message = field.value.trim();
      const button = byId("narrator-post");
      if (!message || button.disabled) return;
      const { sessionId } = this.#conversation;
      this.#conversation.keep();
      this.#complain(null);
      button.disabled = true;
      setText(button, "Waiting…");
      try {
        if (this.#posting.message !== message) this.#posting = { message, messageId: newSessionId() };
        const body = { ...this.#posting, conversationId: sessionId };
        await this.#api.call("POST", "/narrator/messages", { body, timeout: RELAY_MS });
        this.#posting = { message: "", messageId: "" };
        if (field.value.trim() === message) field.value = "";
      } catch (error) {
        this.#complain(error);
      } finally {
        button.disabled = false;
        setText(button, "Post");
      }
      if (this.#isShown && sessionId === this.#shownId) await this.#load();
    }

    #add({ seq, type, source, message, at }) {
      if (seq <= this.#seq) return;
      this.#seq = seq;
      const list = byId("narrations");
      const item = clone("narration-template");
      item.dataset.type = type;
      setText(item.querySelector(".narration-source"), nameOf(type, source));
      stamp(item.querySelector("time"), at);
      setText(item.querySelector("p"), message);
      list.append(item);
      list.hidden = false;
      list.scrollTop = list.scrollHeight;
    }

    #complain(error) {
      const box = byId("narrator-problem");
      box.hidden = error === null;
      if (error === null) return;
      const text = document.createElement("p");
      text.textContent = asSentence(error.message);
      box.replaceChildren(text, ...(error.code === "no_controller" ? this.#ways() : []));
    }

    /** The API says how to register one; this is the shortest way. */
    #ways() {
      const words = document.createElement("p");
      const make = Object.assign(document.createElement("button"), { type: "button", className: "button small" });
      words.textContent = `An agent of the id “${CONTROLLER}” is a controller, too.`;
      make.textContent = `Make an agent “${CONTROLLER}”`;
      make.dataset.testid = "make-controller";
      make.addEventListener("click", () => this.onMakeAgent(CONTROLLER));
      return [words, make];
    }
  }

  function nameOf(type, source) {
    if (type === "USER_MESSAGE") return "Posted";
    return type === "ERROR" ? `${source}: failed` : source;
  }

  Hopstream.NarratorPanel = NarratorPanel;
})();
