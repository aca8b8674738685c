// One stream as its events and its turn in the store tell it. Nothing here knows the page.
"use strict";

(() => {
  const { Pace, Reveal, Tail, ToolCalls } = Hopstream;
  const KEPT_CHARS = { active: 4_000, ended: 2_000 };
  const TOLD_ANEW_MS = 1_500; // a start that is told so long after it happened is told to a page that came late
  const TAKEN_OVER = ["worker_lost", "handed_over"];
  const ACTIVE = ["queued", "streaming"];

  class Stream {
    status = "queued"; // queued, streaming, completed, error, cancelled
    place = null; // in the queue, 1 is next
    isTakenOver = false;
    isLagged = false;
    wasTold = null; // the number of the connection that told of it
    question = null;
    model = null;
    provider = null;
    mode = null;
    goalId = null;
    workItemId = null;
    runId = null;
    metadata = null;
    finishReason = null;
    error = null; // {code, message}
    usage = null; // {input, output}
    cost = null;
    tokens = 0; // as counted here
    times = {}; // queued, started, claimed, asked, first, finished: ms by the server's clocks
    firstSeenAt = null; // the first token, by this page's clock in the server's time
    hasRow = false; // the store has told of it, or knows nothing of it
    pace = new Pace();
    reveal = new Reveal();
    version = 0; // grows with all but text
    epoch = 0; // grows where the text begins anew
    #isReplay = false;
    #isCut = false; // the store has more of the text than it gave

    constructor(requestId, now) {
      const dot = requestId.lastIndexOf(".");
      this.requestId = requestId;
      this.sessionId = requestId.slice(0, dot);
      this.turn = Number(requestId.slice(dot + 1));
      this.createdAt = now; // the order on the page
      this.#clear();
    }

    get isActive() {
      return ACTIVE.includes(this.status);
    }

    /** There is more text than is kept here. */
    get isCut() {
      return this.#isCut || this.tail.start > 0;
    }

    /** `now`: of performance.now(), for how it flows; `serverNow`: this page's clock in the server's time. */
    apply(event, data, now, serverNow) {
      if (event === "llm.stream.chunk") return this.#onChunk(data, now, serverNow);
      if (event === "llm.stream.tool") return this.tools.apply(data);
      this.version += 1;
      this.#label(data);
      if (event === "llm.stream.queued") this.#onQueued(data);
      else if (event === "llm.stream.start") this.#onStart(data);
      else if (event === "llm.stream.restart") this.#onRestart(data);
      else if (event === "llm.stream.end") this.#onEnd(data);
      else if (event === "llm.stream.error") this.#onError(data);
    }

    lag() {
      this.isLagged = true;
      this.version += 1;
    }

    /** What GET /turns has of it. `isTold`: the events of this connection know better how far it is. */
    merge(row, { isTold, textChars }) {
      this.version += 1;
      this.hasRow = true;
      this.#label({ ...row, goalId: row.goal_id, workItemId: row.work_item_id, runId: row.run_id });
      this.question = row.message ?? this.question;
      this.cost = row.cost ?? this.cost;
      if (row.usage) this.usage = { input: row.usage.input_tokens, output: row.usage.output_tokens };
      this.#time({ queued: row.created_at, started: row.started_at, claimed: row.claimed_at, asked: row.asked_at, first: row.first_token_at });
      if (isTold && (this.isActive || ACTIVE.includes(statusOf(row)))) return; // the row may be older than its end
      this.#time({ finished: row.finished_at });
      this.finishReason = row.finish_reason ?? null;
      this.error = row.error ?? null;
      this.#setStatus(statusOf(row));
      const text = row.text ?? "";
      const isLate = this.isLagged && !this.isActive; // running turns have no text there
      if (isLate || text.length > this.tail.text.length) this.#replace(text, textChars);
      if (isLate) this.isLagged = false;
    }

    #onQueued({ queuePosition = null, queuedAt }) {
      this.place = queuePosition;
      this.#time({ queued: queuedAt });
      this.#setStatus("queued");
    }

    #onStart({ queuedAt, startedAt, timestamp }) {
      this.#isReplay = startedAt !== undefined && timestamp - startedAt > TOLD_ANEW_MS;
      this.#time({ queued: queuedAt, started: startedAt ?? timestamp });
      this.#clear();
      this.#setStatus("streaming");
    }

    #onRestart({ reason }) {
      this.isTakenOver ||= TAKEN_OVER.includes(reason);
      delete this.times.first;
      this.firstSeenAt = null;
      this.#clear();
      this.#setStatus("streaming");
    }

    #onChunk({ chunk, reasoning, refusal, tokens, timestamp }, now, serverNow) {
      const isFirst = this.tail.length === 0 && this.reasoning.length === 0;
      if (isFirst && !this.#isReplay && !this.times.first) {
        this.#time({ first: timestamp });
        this.firstSeenAt = serverNow;
      }
      if (this.status === "queued") this.#setStatus("streaming");
      if (chunk || refusal) this.tail.add(chunk || refusal);
      if (reasoning) this.reasoning.add(reasoning);
      this.tokens += tokens;
      this.pace.add(now, tokens);
      this.reveal.add(this.tail.length, now);
    }

    #onEnd({ reason, usage, tokensUsed, timestamp }) {
      this.finishReason = reason;
      if (usage) this.usage = { input: usage.inputTokens, output: usage.outputTokens };
      else if (tokensUsed && !this.tokens) this.tokens = tokensUsed;
      this.#time({ finished: timestamp });
      this.#setStatus(reason === "cancelled" ? "cancelled" : "completed");
    }

    #onError({ code, error, timestamp }) {
      this.error = { code, message: error };
      this.#time({ finished: timestamp });
      this.#setStatus("error");
    }

    #label(data) {
      for (const name of ["goalId", "workItemId", "runId", "model", "provider", "mode", "metadata"]) this[name] = data[name] ?? this[name];
    }

    /** ISO texts or ms; what is not known is passed over. */
    #time(times) {
      for (const [name, time] of Object.entries(times)) {
        if (time !== null && time !== undefined) this.times[name] = typeof time === "string" ? Date.parse(time) : time;
      }
      this.createdAt = this.times.queued ?? this.times.started ?? this.createdAt;
    }

    #setStatus(status) {
      this.status = status;
      if (status !== "queued") this.place = null;
      if (this.isActive) return;
      this.tail.shrink(KEPT_CHARS.ended);
      this.reasoning.shrink(KEPT_CHARS.ended);
    }

    #clear() {
      this.epoch += 1;
      this.#isCut = false;
      this.tail = new Tail(KEPT_CHARS.active);
      this.reasoning = new Tail(KEPT_CHARS.active);
      this.tools = new ToolCalls();
      this.tokens = 0;
      this.pace = new Pace();
      this.reveal.clear();
    }

    #replace(text, textChars) {
      this.epoch += 1;
      this.#isCut = text.length >= textChars;
      this.tail = new Tail(this.isActive ? KEPT_CHARS.active : KEPT_CHARS.ended);
      this.tail.add(text);
      this.reveal.clear();
      this.reveal.add(text.length, -Infinity);
    }
  }

  function statusOf({ status, finish_reason: reason }) {
    if (status === "done") return reason === "cancelled" ? "cancelled" : "completed";
    if (status === "waiting") return "queued"; // behind another turn of its session
    return status === "running" ? "streaming" : status;
  }

  Hopstream.Stream = Stream;
})();
