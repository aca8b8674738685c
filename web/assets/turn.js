// A turn as the page knows it: one user message and its answer, made of what the store says and of live events.
"use strict";

(() => {
  const FINISHED = ["done", "error"];

  class Turn {
    turn = null; // its number; null until the API has accepted it
    text = "";
    reasoning = "";
    refusal = "";
    toolCalls = []; // {name, arguments, result}, in the order in which they began
    thinkingSeconds = null;
    stored = null; // what the store says of it once it is finished
    status = "queued"; // queued | streaming | done | error
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
    streamUrl = null;
    versions = [this]; // of this answer, oldest first
    lastId = null; // of the last event seen, to go on after it
    #seen = { attempt: 0, position: -1 };
    #begun = []; // those of its calls that come in pieces
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
      turn.createdAt = stored.created_at;
      turn.load(stored);
      return turn;
    }

    get isFinished() {
      return FINISHED.includes(this.status);
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
      this.toolCalls = stored.tool_calls;
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
      if (event.chunk !== undefined) {
        this.text += event.chunk;
      } else if (event.refusal !== undefined) {
        this.refusal += event.refusal;
      } else if (event.tool_call !== undefined) {
        this.toolCalls.push(event.tool_call);
      } else if (event.tool_call_begun !== undefined) {
        this.#begun.push({ ...event.tool_call_begun, arguments: "" });
        this.toolCalls.push(this.#begun.at(-1));
      } else if (event.tool_call_arguments !== undefined) {
        const { call, text } = event.tool_call_arguments;
        if (this.#begun[call]) this.#begun[call].arguments += text;
      } else {
        this.#applyType(event);
      }
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
      this.toolCalls = [];
      this.#begun = [];
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
