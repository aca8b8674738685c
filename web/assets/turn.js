// A turn as the page knows it: one user message and its answer, made of what the store says and of live events.
"use strict";

(() => {
  const { Calls } = Hopstream;
  const FINISHED = ["done", "error"];

  class Turn {
    turn = null; // its number; null until the API has accepted it
    text = "";
    reasoning = "";
    refusal = "";
    calls = new Calls();
    thinkingSeconds = null;
    stored = null; // what the store says of it once it is finished
    status = "queued"; // waiting (for another turn of its session) | queued | streaming | done | error
    isAccepted = false;
    isStopping = false;
    isElsewhere = false; // a direct turn of another tab, or of this one before it was reloaded
    queuePosition = null;
    restartReason = null;
    finishReason = null;
    error = null;
    usage = null;
    model = null;
    askedModel = null; // null: the API's default
    agent = null; // {id, name} of the one that was asked
    streamUrl = null;
    versions = [this]; // of this answer, oldest first
    lastId = null; // of the last event seen, to go on after it
    #seen = { attempt: 0, position: -1 };
    #thinkingSince = null;

    constructor({ message, mode, replaces = null }) {
      this.message = message;
      this.mode = mode;
      this.replaces = replaces;
      this.createdAt = new Date().toISOString();
      this.finishedAt = null;
    }

    static fromStored(stored) {
      const turn = new Turn(stored);
      turn.turn = stored.turn;
      turn.isAccepted = true;
      turn.model = stored.model;
      turn.agent = stored.agent ?? null; // an older API tells none
      turn.createdAt = stored.created_at;
      turn.load(stored);
      return turn;
    }

    get isFinished() {
      return FINISHED.includes(this.status);
    }

    /** Nothing of it is in sight yet, or its tools have answered and the model has not said anything to that. */
    get awaitsText() {
      const { list } = this.calls;
      const hasAnswers = list.every(({ result }) => result !== null);
      return !this.isFinished && hasAnswers && !this.text.slice(list.at(-1)?.at ?? 0).trim();
    }

    /** It came to its end. */
    get isGood() {
      return this.status === "done" && this.finishReason !== "cancelled";
    }

    /** What the store says. It is asked only where no stream is followed, and a finished turn is told whole. */
    load(stored) {
      this.status = stored.status === "running" ? "streaming" : stored.status;
      if (!this.isFinished) return;
      this.text = stored.text;
      this.reasoning = stored.reasoning;
      this.refusal = stored.refusal;
      this.calls = Calls.fromStored(stored);
      this.stored = stored;
      this.thinkingSeconds = stored.reasoning_seconds ?? this.thinkingSeconds;
      this.usage = stored.usage;
      this.error = stored.error;
      this.finish(stored.finish_reason, stored.finished_at);
    }

    /** A live event. Returns false for one that was seen before. */
    apply(event) {
      if (event.id && !this.#advance(event)) return false;
      if (event.reasoning !== undefined) {
        this.#thinkingSince ??= performance.now();
        this.reasoning += event.reasoning;
        return true;
      }
      if (event.type !== "queued" && event.type !== "start") this.#endThinking();
      if (event.chunk !== undefined) this.text += event.chunk;
      else if (event.refusal !== undefined) this.refusal += event.refusal;
      else if (!this.calls.apply(event, this.text.length)) this.#applyType(event);
      return true;
    }

    get isThinking() {
      return this.#thinkingSince !== null;
    }

    #endThinking() {
      if (this.#thinkingSince === null) return;
      this.thinkingSeconds = (this.thinkingSeconds ?? 0) + (performance.now() - this.#thinkingSince) / 1000;
      this.#thinkingSince = null;
    }

    #applyType(event) {
      switch (event.type) {
        case "queued":
          this.queuePosition = event.position;
          if (this.status === "waiting") this.status = "queued";
          break;
        case "start":
          this.turn = event.turn;
          this.model = event.model;
          this.#clear();
          break;
        case "restart":
          this.restartReason = event.reason;
          this.model = event.model ?? this.model;
          this.#clear();
          break;
        case "error":
          this.fail(event);
          break;
        case "done":
          this.usage = event.usage ?? null;
          this.model = event.model ?? this.model;
          this.status = "done";
          this.finish(event.finish_reason);
          break;
      }
    }

    fail({ code, message }) {
      this.status = "error";
      this.error = { code, message };
      this.finish(null);
    }

    finish(reason, at = null) {
      this.finishReason = reason;
      this.finishedAt = at ?? new Date().toISOString();
      this.isElsewhere = false;
      this.isStopping = false;
    }

    /** Forget what was streamed and begin again. */
    rewind() {
      this.lastId = null;
      this.#seen = { attempt: 0, position: -1 };
    }

    #clear() {
      this.text = "";
      this.reasoning = "";
      this.refusal = "";
      this.calls = new Calls();
      this.#thinkingSince = this.thinkingSeconds = null;
      this.status = "streaming";
    }

    /**
     * Event ids are <turn>.<attempt>.<position>. The API never repeats itself; should it, nothing is doubled here. An end
     * always counts: that of a turn whose owner has died lies at the tape's beginning, whatever was seen of the answer.
     */
    #advance({ id, type }) {
      const [, attempt, position] = id.split(".").map(Number);
      const { attempt: seenAttempt, position: seenPosition } = this.#seen;
      const isSeen = position <= seenPosition && !FINISHED.includes(type);
      if (attempt < seenAttempt || (attempt === seenAttempt && isSeen)) return false;
      this.#seen = { attempt, position };
      this.lastId = id;
      return true;
    }
  }

  Hopstream.Turn = Turn;
})();
