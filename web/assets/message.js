// One turn on the page: what the user wrote and the answer below it.
"use strict";

(() => {
  const { Answer, factsOf } = Hopstream;
  const { asSentence, clone, part, stamp } = Hopstream.dom;
  const RESTART_REASONS = {
    worker_lost: "a worker was lost",
    provider_drop: "the model’s service broke off",
    handed_over: "a worker handed it over",
  };
  const OUTCOMES = {
    cancelled: "Stopped.",
    length: "The answer reached its length limit.",
    tool_calls: "The model asked for a tool.",
    content_filter: "The answer was withheld by the model’s service.",
  };

  class TurnView {
    #answer;
    #wasThinking = false;

    constructor(turn) {
      this.turn = turn;
      this.element = clone("turn-template");
      this.user = part(this.element, "message-user");
      this.assistant = part(this.element, "message-assistant");
      this.answerText = part(this.element, "answer-text");
      this.#answer = new Answer(this.answerText);
      this.user.querySelector(".bubble").textContent = turn.message;
      stamp(this.user.querySelector(".stamp"), turn.createdAt);
    }

    update({ isLatest, hasWorkers }) {
      const { turn, assistant } = this;
      for (const article of [this.user, assistant]) article.dataset.turn = turn.turn ?? "";
      this.#answer.show(turn.text, turn.isFinished);
      this.#showReasoning();
      this.#showToolCalls();
      this.#showWaiting(hasWorkers);
      this.#showNotes();
      this.#showFoot(isLatest);
      assistant.hopstreamText = turn.text;
      assistant.dataset.length = turn.text.length;
      assistant.ariaBusy = String(!turn.isFinished);
      assistant.dataset.status = turn.status;
    }

    /** What a screen reader is told once the answer is there. */
    get spoken() {
      const { turn } = this;
      if (turn.status === "error") return `The answer failed: ${turn.error?.message ?? ""}`;
      return `${turn.finishReason === "cancelled" ? "Answer stopped" : "Answer"}: ${this.answerText.textContent}`;
    }

    #showReasoning() {
      const { turn } = this;
      const details = part(this.assistant, "reasoning");
      details.hidden = turn.reasoning === "";
      if (details.hidden) return;
      // It is open while it grows, and folds once the answer begins; what a person has folded since stays so.
      if (turn.isThinking !== this.#wasThinking) details.open = this.#wasThinking = turn.isThinking;
      details.querySelector(".thinking-name").textContent = describeThinking(turn);
      append(details.querySelector(".thinking-text"), turn.reasoning);
    }

    #showToolCalls() {
      const { toolCalls } = this.turn;
      const list = part(this.assistant, "tool-calls");
      list.hidden = toolCalls.length === 0;
      while (list.children.length > toolCalls.length) list.lastElementChild.remove();
      toolCalls.forEach((call, index) => {
        const item = list.children[index] ?? list.appendChild(clone("tool-call-template"));
        item.querySelector(".tool-name").textContent = call.name;
        item.querySelector(".tool-arguments").textContent = pretty(call.arguments);
      });
    }

    #showWaiting(hasWorkers) {
      const { turn } = this;
      const typing = this.assistant.querySelector(".typing");
      typing.hidden = turn.isFinished || turn.text !== "" || turn.toolCalls.length > 0;
      part(typing, "queue-position").textContent = typing.hidden ? "" : describeWaiting(turn, hasWorkers);
    }

    #showNotes() {
      const { turn, assistant } = this;
      const reason = RESTART_REASONS[turn.restartReason] ?? turn.restartReason;
      setNote(part(assistant, "restart-note"), reason && `The answer was restarted: ${reason}.`);
      setNote(part(assistant, "outcome-note"), turn.status === "done" && describeOutcome(turn));
      const failure = part(assistant, "answer-error");
      failure.hidden = turn.status !== "error";
      failure.querySelector(".failure-text").textContent = asSentence(turn.error?.message || "the answer failed");
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

  function describeThinking(turn) {
    if (turn.isThinking && !turn.isFinished) return "Thinking…";
    if (turn.thinkingSeconds === null) return "Thought";
    const seconds = Math.max(1, Math.round(turn.thinkingSeconds));
    return `Thought for ${seconds} ${seconds === 1 ? "second" : "seconds"}`;
  }

  /** A tool's arguments as people read them; as they are while they are no whole JSON. */
  function pretty(text) {
    try {
      return JSON.stringify(JSON.parse(text), null, 2);
    } catch {
      return text;
    }
  }

  function describeWaiting(turn, hasWorkers) {
    if (turn.isStopping) return "Stopping …";
    if (turn.isElsewhere) return "This answer is being read directly by another page. It is shown here once it is finished.";
    if (turn.mode === "direct" || turn.status !== "queued" || !turn.isAccepted) return "";
    if (!hasWorkers) return "No worker is running. The answer starts as soon as one does.";
    if (turn.queuePosition === null) return "";
    return turn.queuePosition <= 1 ? "Next in the queue" : `Number ${turn.queuePosition} in the queue`;
  }

  function describeOutcome(turn) {
    const { finishReason, refusal, versions } = turn;
    const newest = versions.at(-1);
    if (turn.isGood && newest !== turn && newest.isFinished && !newest.isGood) {
      return newest.status === "error" ? `The new answer failed: ${newest.error?.message ?? ""}` : "The new answer was stopped.";
    }
    return refusal ? `The model refused: ${refusal}` : OUTCOMES[finishReason];
  }

  function describeFacts(turn) {
    const tokens = turn.usage?.output_tokens;
    const count = tokens ? `${tokens.toLocaleString()} ${tokens === 1 ? "token" : "tokens"}` : "";
    return [turn.model, turn.mode === "direct" ? "direct" : "", count].filter(Boolean).join(" · ");
  }

  function setNote(element, text) {
    element.hidden = !text;
    element.textContent = text || "";
  }

  /** Adds what is new, so that a selection in the text stays. */
  function append(element, text) {
    const shown = element.textContent;
    if (!text.startsWith(shown)) element.textContent = text;
    else if (text.length > shown.length) element.append(text.slice(shown.length));
  }

  Hopstream.TurnView = TurnView;
})();
