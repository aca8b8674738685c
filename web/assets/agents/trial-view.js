// The chat beside the form: turns, what is written, and how the connection stands.
"use strict";

(() => {
  const { AnswerView, MessageField, StickyScroll, Trial, pages, storage } = Hopstream;
  const { announce, asSentence, byId, clone, part, setText } = Hopstream.dom;
  const UNSAVED = "Save the agent, and you can try it here.";
  const CHANGED = "Your changes are not saved: this is the agent as it was saved.";
  const CALM_MS = 1_500; // a connection that is back sooner was not worth a word

  class TrialView {
    #trial;
    #narrator;
    #views = new Map(); // {element, answer} by turn
    #scroll = new StickyScroll(byId("trial-scroller"), byId("trial-thread"), byId("trial-jump"));
    #field = new MessageField(byId("trial-message"), { onInput: () => this.#keep(), onSubmit: () => this.#send() });
    #timer = null;
    #isReady = false; // there is an agent to try

    constructor(api, narrator) {
      this.#narrator = narrator;
      this.#trial = new Trial(api, {
        changed: () => this.#draw(),
        turnChanged: (turn) => this.#update(turn),
        finished: (turn) => announce(this.#views.get(turn).answer.spoken),
        refused: (message, problem) => this.#giveBack(message, problem),
        stateChanged: (state) => this.#showState(state),
        ready: (frame) => narrator.ready(frame),
        narration: (frame) => narrator.narration(frame),
        narratorSeq: () => narrator.seq,
      });
      byId("trial-form").addEventListener("submit", (event) => {
        event.preventDefault();
        this.#send();
      });
      byId("trial-stop").addEventListener("click", () => this.#stop());
      byId("trial-anew").addEventListener("click", () => this.#startOver());
      byId("trial-retry").addEventListener("click", () => this.#trial.reconnect());
    }

    /** `agent`: as it is stored; null for one that was never saved. */
    show(agent, isDirty) {
      this.#isReady = agent !== null;
      const before = this.#trial.sessionId;
      this.#trial.open(agent?.id ?? null);
      if (this.#trial.sessionId !== before) this.#field.text = storage.read(this.#draftKey) ?? "";
      setText(byId("trial-note"), agent ? CHANGED : UNSAVED);
      byId("trial-note").hidden = agent !== null && !isDirty;
      byId("trial-message").disabled = !agent;
      byId("narrator").hidden = !agent;
      this.#showControls();
    }

    get #draftKey() {
      return `draft:${this.#trial.sessionId}`; // the chat page's, which may go on with it
    }

    #send() {
      const message = this.#field.text;
      if (!message.trim() || !this.#isReady) return;
      this.#field.text = "";
      this.#keep();
      this.#complain("");
      this.#trial.send(message);
      this.#scroll.toEnd();
    }

    #stop() {
      if (!this.#trial.stop()) announce("There is no connection: the answer cannot be stopped now.");
      this.#field.focus();
    }

    #startOver() {
      this.#trial.startOver();
      this.#keep();
      this.#field.focus();
    }

    /** Before anything typed since. */
    #giveBack(message, problem) {
      this.#field.text = [message, this.#field.text].filter(Boolean).join("\n\n");
      this.#keep();
      if (problem) this.#complain(`It was not sent. ${asSentence(problem)}`);
    }

    #keep() {
      storage.write(this.#draftKey, this.#field.text);
      this.#showControls();
    }

    #draw() {
      const { turns, sessionId } = this.#trial;
      const thread = byId("trial-thread");
      for (const [turn, { element }] of this.#views) {
        if (turns.includes(turn)) continue;
        element.remove();
        this.#views.delete(turn);
      }
      turns.forEach((turn, index) => {
        if (!this.#views.has(turn)) this.#views.set(turn, viewOf(turn));
        const { element } = this.#views.get(turn);
        if (thread.children[index] !== element) thread.insertBefore(element, thread.children[index] ?? null);
        this.#update(turn);
      });
      byId("trial-in-chat").hidden = !turns.some((turn) => turn.isAccepted);
      byId("trial-in-chat").href = pages.pageUrl("chat", {}, sessionId);
      byId("trial-anew").hidden = turns.length === 0;
      this.#narrator.show(this.#trial);
      this.#showControls();
    }

    #update(turn) {
      const { element, answer } = this.#views.get(turn);
      setText(element.querySelector(".bubble"), turn.message);
      answer.update({ hasWorkers: true });
      this.#showControls();
    }

    #showControls() {
      const { running } = this.#trial;
      const stop = byId("trial-stop");
      const hadFocus = stop === document.activeElement;
      stop.hidden = !running;
      stop.disabled = running?.isStopping ?? false;
      byId("trial-empty").hidden = this.#trial.turns.length > 0 || !this.#isReady;
      byId("trial-send").disabled = !this.#isReady || !this.#field.text.trim();
      if (hadFocus && (stop.hidden || stop.disabled)) this.#field.focus();
    }

    #showState({ state, problem }) {
      clearTimeout(this.#timer);
      byId("trial-retry").hidden = !["waiting", "ended", "locked"].includes(state);
      if (state === "ended" || state === "locked") this.#complain(asSentence(problem));
      else if (state === "waiting") this.#timer = setTimeout(() => this.#complain(`${asSentence(problem)} Connecting again…`), CALM_MS);
      else if (state === "live") this.#complain("");
    }

    #complain(text) {
      setText(byId("trial-state-text"), text);
      byId("trial-state").hidden = !text;
    }
  }

  function viewOf(turn) {
    const element = clone("turn-template");
    return { element, answer: new AnswerView(part(element, "message-assistant"), turn) };
  }

  Hopstream.TrialView = TrialView;
})();
