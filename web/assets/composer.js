// Where the user types. Nothing typed is lost: a draft is kept for each session, and what is on its way is kept beside
// it until the API has accepted it.
"use strict";

(() => {
  const { MessageField, storage } = Hopstream;
  const { byId } = Hopstream.dom;

  class Composer {
    #field = new MessageField(byId("message"), { onInput: () => this.#onInput(), onSubmit: () => this.#submit() });
    #send = byId("send");
    #stop = byId("stop");
    #draftKey = "draft:new";
    #isRunning = false;

    /** Handlers: onSend(text), which returns whether it is on its way, onStop(), onMode(mode). */
    constructor({ onSend, onStop, onMode }) {
      this.onSend = onSend;
      byId("composer").addEventListener("submit", (event) => {
        event.preventDefault();
        this.#submit();
      });
      this.#stop.addEventListener("click", onStop);
      this.onMode = onMode;
      byId("modes").addEventListener("change", () => this.chooseMode(this.mode));
      byId("composer").elements.mode.value = storage.read("mode") === "direct" ? "direct" : "queue";
    }

    get mode() {
      return byId("composer").elements.mode.value;
    }

    chooseMode(mode) {
      byId("composer").elements.mode.value = mode;
      storage.write("mode", mode);
      this.onMode(mode);
    }

    get text() {
      return this.#field.text;
    }

    /** Show the draft of that session; null: of the chat that has none yet. */
    open(sessionId) {
      this.#draftKey = draftKey(sessionId);
      this.#fill(storage.read(this.#draftKey) ?? "");
    }

    /** The new chat has become that session, and what is typed goes with it. */
    adopt(sessionId) {
      storage.write(this.#draftKey, null);
      this.#draftKey = draftKey(sessionId);
      this.#keep();
    }

    setRunning({ isRunning, isStopping }) {
      this.#isRunning = isRunning;
      const hadFocus = [this.#send, this.#stop].includes(document.activeElement);
      this.#send.hidden = isRunning;
      this.#stop.hidden = !isRunning;
      this.#stop.disabled = isStopping;
      this.#showSend();
      if (hadFocus) this.focus();
    }

    /** Give back what could not be sent, before anything typed since. */
    restore(text) {
      if (this.text.startsWith(text)) return;
      this.#fill([text, this.text].filter(Boolean).join("\n\n"));
      this.#keep();
    }

    focus() {
      this.#field.focus();
    }

    clear() {
      this.#fill("");
      this.#keep();
    }

    /** The field is emptied once the message is on its way. */
    #submit() {
      if (this.text.trim() && !this.#isRunning && this.onSend(this.text)) this.clear();
    }

    #onInput() {
      this.#keep();
      this.#showSend();
    }

    #fill(text) {
      this.#field.text = text;
      this.#showSend();
    }

    #keep() {
      storage.write(this.#draftKey, this.text);
    }

    #showSend() {
      this.#send.disabled = !this.text.trim();
    }
  }

  const draftKey = (sessionId) => `draft:${sessionId ?? "new"}`;
  const sendingKey = (sessionId) => `sending:${sessionId}`;

  const drafts = {
    /** Keep a message until it is known to have arrived. */
    keepSending: (sessionId, message) => storage.write(sendingKey(sessionId), message),
    readSending: (sessionId) => storage.read(sendingKey(sessionId)),
    forgetSending: (sessionId) => storage.write(sendingKey(sessionId), null),
    /** For a session that is not on the page. */
    add(sessionId, text) {
      const parts = [storage.read(draftKey(sessionId)), text];
      storage.write(draftKey(sessionId), parts.filter(Boolean).join("\n\n"));
    },
    forget(sessionId) {
      storage.write(draftKey(sessionId), null);
      storage.write(sendingKey(sessionId), null);
    },
  };

  Object.assign(Hopstream, { Composer, drafts });
})();
