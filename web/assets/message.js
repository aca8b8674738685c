// One turn on the page: what the user wrote, the answer below it, and what can be done with that.
"use strict";

(() => {
  const { AnswerView, factsOf, pages } = Hopstream;
  const { clone, part, setText, stamp } = Hopstream.dom;

  class TurnView {
    #answer;

    constructor(turn) {
      this.turn = turn;
      this.element = clone("turn-template");
      this.user = part(this.element, "message-user");
      this.assistant = part(this.element, "message-assistant");
      this.#answer = new AnswerView(this.assistant, turn);
      this.user.querySelector(".bubble").textContent = turn.message;
      stamp(this.user.querySelector(".stamp"), turn.createdAt);
    }

    update({ isLatest, hasWorkers }) {
      this.user.dataset.turn = this.turn.turn ?? "";
      this.#answer.update({ hasWorkers });
      this.#showAgent();
      this.#showFoot(isLatest);
    }

    get spoken() {
      return this.#answer.spoken;
    }

    #showAgent() {
      const { agent } = this.turn;
      const link = part(this.assistant, "answer-agent");
      link.hidden = !agent;
      if (!agent) return;
      setText(link, agent.name);
      link.href = pages.pageUrl("agents", {}, agent.id);
    }

    #showFoot(isLatest) {
      const { turn, assistant } = this;
      assistant.querySelector(".answer-foot").hidden = !turn.isFinished;
      part(assistant, "copy-answer").hidden = turn.text === "";
      part(assistant, "regenerate").hidden = !isLatest || turn.status === "error";
      part(assistant, "retry").hidden = !isLatest;
      const { versions } = turn;
      const place = versions.indexOf(turn);
      part(assistant, "versions").hidden = versions.length < 2;
      part(assistant, "version").textContent = `${place + 1}/${versions.length}`;
      part(assistant, "older-version").disabled = place === 0;
      part(assistant, "newer-version").disabled = place === versions.length - 1;
      if (!turn.isFinished) return;
      stamp(assistant.querySelector(".stamp"), turn.finishedAt);
      assistant.querySelector(".facts").textContent = describeFacts(turn);
      this.#showDetails();
    }

    /** On demand: the store is asked for them once they are opened. */
    #showDetails() {
      const { stored } = this.turn;
      const list = part(this.assistant, "details-list");
      const rows = stored ? factsOf(stored) : [];
      list.replaceChildren(
        ...rows.flatMap(([name, value]) => {
          const [term, description] = [document.createElement("dt"), document.createElement("dd")];
          [term.textContent, description.textContent] = [name, value];
          return [term, description];
        }),
      );
      const button = part(this.assistant, "details");
      list.hidden = button.ariaExpanded !== "true" || rows.length === 0;
    }

    /** Shows what the answer took, or hides it. Returns whether the store has to be asked. */
    toggleDetails() {
      const button = part(this.assistant, "details");
      button.ariaExpanded = String(button.ariaExpanded !== "true");
      this.#showDetails();
      return this.wantsDetails;
    }

    get wantsDetails() {
      return part(this.assistant, "details").ariaExpanded === "true" && !this.turn.stored;
    }
  }

  function describeFacts(turn) {
    const tokens = turn.usage?.output_tokens;
    const count = tokens ? `${tokens.toLocaleString()} ${tokens === 1 ? "token" : "tokens"}` : "";
    return [turn.model, turn.mode === "direct" ? "direct" : "", count].filter(Boolean).join(" · ");
  }

  Hopstream.TurnView = TurnView;
})();
