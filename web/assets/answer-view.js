// An answer on the page: what the model thought, said and did, and how it ended.
"use strict";

(() => {
  const { AnswerBody } = Hopstream;
  const { asSentence, part } = Hopstream.dom;
  const RESTART_REASONS = {
    worker_lost: "a worker was lost",
    provider_drop: "the model’s service broke off",
    handed_over: "a worker handed it over",
  };
  const OUTCOMES = {
    cancelled: "Stopped.",
    length: "The answer reached its length limit.",
    tool_calls: "The model asked for a tool.",
    tool_limit: "The answer has called as many tools as it may.",
    content_filter: "The answer was withheld by the model’s service.",
  };

  class AnswerView {
    #body;
    #wasThinking = false;

    constructor(element, turn) {
      this.element = element;
      this.turn = turn;
      this.#body = new AnswerBody(part(element, "answer-text"));
    }

    update({ hasWorkers }) {
      const { turn, element } = this;
      this.#body.show(turn);
      this.#showReasoning();
      this.#showWaiting(hasWorkers);
      this.#showNotes();
      element.dataset.turn = turn.turn ?? "";
      element.hopstreamText = turn.text;
      element.dataset.length = turn.text.length;
      element.ariaBusy = String(!turn.isFinished);
      element.dataset.status = turn.status;
    }

    /** What a screen reader is told once the answer is there. */
    get spoken() {
      const { turn } = this;
      if (turn.status === "error") return `The answer failed: ${turn.error?.message ?? ""}`;
      return `${turn.finishReason === "cancelled" ? "Answer stopped" : "Answer"}: ${this.#body.spoken}`;
    }

    #showReasoning() {
      const { turn } = this;
      const details = part(this.element, "reasoning");
      details.hidden = turn.reasoning === "";
      if (details.hidden) return;
      // It is open while it grows, and folds once the answer begins; what a person has folded since stays so.
      if (turn.isThinking !== this.#wasThinking) details.open = this.#wasThinking = turn.isThinking;
      details.querySelector(".thinking-name").textContent = describeThinking(turn);
      append(details.querySelector(".thinking-text"), turn.reasoning);
    }

    #showWaiting(hasWorkers) {
      const { turn } = this;
      const typing = this.element.querySelector(".typing");
      typing.hidden = !turn.awaitsText;
      part(typing, "queue-position").textContent = typing.hidden ? "" : describeWaiting(turn, hasWorkers);
    }

    #showNotes() {
      const { turn, element } = this;
      const reason = RESTART_REASONS[turn.restartReason] ?? turn.restartReason;
      setNote(part(element, "restart-note"), reason && `The answer was restarted: ${reason}.`);
      setNote(part(element, "outcome-note"), turn.status === "done" && describeOutcome(turn));
      const failure = part(element, "answer-error");
      failure.hidden = turn.status !== "error";
      failure.querySelector(".failure-text").textContent = asSentence(turn.error?.message || "the answer failed");
    }
  }

  function describeThinking(turn) {
    if (turn.isThinking && !turn.isFinished) return "Thinking…";
    if (turn.thinkingSeconds === null) return "Thought";
    const seconds = Math.max(1, Math.round(turn.thinkingSeconds));
    return `Thought for ${seconds} ${seconds === 1 ? "second" : "seconds"}`;
  }

  function describeWaiting(turn, hasWorkers) {
    if (turn.isStopping) return "Stopping …";
    if (turn.status === "waiting") return "This message comes after the answer before it.";
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

  Hopstream.AnswerView = AnswerView;
})();
