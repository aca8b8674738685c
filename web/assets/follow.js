// Following a running turn to its end, through lost connections.
"use strict";

(() => {
  const { ApiError } = Hopstream;
  const FIRST_WAIT_MS = 300;
  const LONGEST_WAIT_MS = 8_000;
  const POLL_MS = 1_200; // of a direct turn that another page reads
  const LONGEST_POLL_MS = 5_000;

  /**
   * Stream a turn to its end. Only an event with an id ends it: an `error` without one says that the API lost its source. `report(state)` tells connecting, streaming or error; `changed()` that the turn has news.
   * Raises ApiError where going on makes no sense; returns silently when `signal` is aborted.
   */
  async function followStream(api, sessionId, turn, { signal, report, changed }) {
    let wait = FIRST_WAIT_MS;
    report("connecting");
    while (!turn.isFinished && !signal.aborted) {
      const lastId = turn.lastId;
      let retryAfter = null;
      try {
        const path = turn.streamUrl ?? `/stream/${sessionId}?turn=${turn.turn}`;
        for await (const event of api.stream(path, lastId, signal)) {
          if (event.type === "seen") return await loadFinished(api, sessionId, turn, { signal, changed });
          if (event.type === "error" && !event.id) throw new ApiError({ code: "network", detail: event.message });
          if (event.type !== "open" && turn.apply(event)) changed();
          report(turn.status === "streaming" ? "streaming" : "connecting");
          if (turn.isFinished) return;
        }
      } catch (error) {
        if (signal.aborted) return;
        if (error.code === "direct_turn") return await loadFinished(api, sessionId, turn, { signal, changed });
        if (error.code === "invalid_event_id") turn.rewind();
        else if (!isPassing(error)) throw error;
        retryAfter = error.retryAfter;
        report("error");
      }
      if (turn.lastId !== lastId) wait = FIRST_WAIT_MS;
      await pause(retryAfter === null ? jitter(wait) : retryAfter * 1000, signal);
      wait = Math.min(wait * 2, LONGEST_WAIT_MS);
    }
  }

  /** Ask the store until it has the finished turn. */
  async function loadFinished(api, sessionId, turn, { signal, changed }) {
    let wait = POLL_MS;
    while (!signal.aborted) {
      try {
        const session = await api.session(sessionId);
        const stored = session.turns.find((candidate) => candidate.turn === turn.turn);
        if (!stored) throw new ApiError({ code: "not_found", detail: "This turn is gone.", status: 404 });
        turn.load(stored);
        changed();
        if (turn.isFinished) return;
        turn.isElsewhere = turn.mode === "direct";
        changed();
      } catch (error) {
        if (!isPassing(error)) throw error;
      }
      await pause(wait, signal);
      wait = Math.min(wait * 1.5, LONGEST_POLL_MS);
    }
  }

  function isPassing(error) {
    return error.code === "network" || error.status === 429 || error.status >= 500;
  }

  /** Clients that lost the same server must not all return at the same moment. */
  function jitter(milliseconds) {
    return milliseconds * (0.5 + Math.random());
  }

  /** Ends early when the network is back or `signal` is aborted. */
  function pause(milliseconds, signal) {
    return new Promise((resolve) => {
      const finish = () => {
        clearTimeout(timer);
        removeEventListener("online", finish);
        signal.removeEventListener("abort", finish);
        resolve();
      };
      const timer = setTimeout(finish, milliseconds);
      addEventListener("online", finish);
      signal.addEventListener("abort", finish);
    });
  }

  Object.assign(Hopstream, { followStream, loadFinished });
})();
