// The WebSocket of live events: opened with a ticket, watched for silence, opened again whatever happens.
"use strict";

(() => {
  const PATH = "/ws/events";
  const SILENCE_MS = 40_000; // the API pings every 15 s
  const OPEN_MS = 15_000;
  const FIRST_WAIT_MS = 500;
  const LONGEST_WAIT_MS = 15_000;
  const REFUSED_WAIT_MS = 30_000; // too many streams, or none here: not mended by asking often
  const SPREAD_MS = 400; // when an API says goodbye, its pages do not all come at the same moment
  const REFUSED = [403, 404, 429];

  class EventsConnection {
    #api;
    #query;
    #socket = null;
    #attempt = 0; // counts up with each that is begun: what comes of an earlier one is passed over
    #failures = 0;
    #timer = null; // of the next attempt, or of this one's silence
    #heardAt = 0;
    state = "connecting"; // connecting, live, waiting, locked

    /** Handlers: onReady(), onEvent(frame), onState({state, problem, retryAt}). */
    constructor(api, goalId, handlers) {
      this.#api = api;
      this.#query = goalId === null ? {} : { goalId };
      Object.assign(this, handlers);
      addEventListener("online", () => this.wake());
      document.addEventListener("visibilitychange", () => document.hidden || this.wake());
    }

    start() {
      this.#open();
    }

    /** Tries at once if it waits, or if a sleep of the machine has outlived the connection. */
    wake() {
      if (this.state === "waiting") this.#open();
      else if (this.state === "live" && performance.now() - this.#heardAt > SILENCE_MS) this.#fail("No word from the API for long.");
    }

    /** There is another key. */
    restart() {
      this.#failures = 0;
      this.#open();
    }

    async #open() {
      const attempt = this.#begin();
      this.#tell("connecting");
      let socket;
      try {
        socket = await this.#api.openSocket(PATH, this.#query);
      } catch (error) {
        if (attempt === this.#attempt) this.#onRefusal(error.status, error.message, error.retryAfter);
        return;
      }
      if (attempt !== this.#attempt) return socket.close();
      this.#socket = socket;
      this.#timer = setTimeout(() => this.#fail("The API does not answer."), OPEN_MS);
      socket.onmessage = ({ data }) => attempt === this.#attempt && this.#onFrame(JSON.parse(data));
      socket.onclose = ({ code, reason }) => attempt === this.#attempt && this.#onClose(code, reason);
    }

    #begin() {
      clearTimeout(this.#timer);
      this.#socket?.close();
      this.#socket = null;
      return (this.#attempt += 1);
    }

    #onFrame(frame) {
      this.#heardAt = performance.now();
      if (frame.type === "event") this.onEvent(frame);
      else if (frame.type === "ready") this.#onReady();
      else if (frame.type === "goaway") this.#retry(Math.random() * SPREAD_MS, "The API restarts.");
    }

    #onReady() {
      this.#failures = 0;
      this.onReady();
      this.#tell("live");
      clearTimeout(this.#timer);
      this.#watch();
    }

    /** One timer for all frames: with thousands a second, one each would cost more than the frames. */
    #watch() {
      const left = SILENCE_MS - (performance.now() - this.#heardAt);
      if (left <= 0) this.#fail("No word from the API for long.");
      else this.#timer = setTimeout(() => this.#watch(), left);
    }

    #onClose(code, reason) {
      if (code >= 4000) this.#onRefusal(code - 4000, reason, null);
      else this.#fail("The connection is lost.");
    }

    #onRefusal(status, message, retryAfter) {
      if (status === 401 && this.#api.isLocked) {
        this.#begin();
        this.#tell("locked", "This API needs a key.");
      } else if (REFUSED.includes(status)) this.#retry((retryAfter ?? 0) * 1000 || REFUSED_WAIT_MS, message);
      else this.#fail(message);
    }

    #fail(problem) {
      const longest = Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** this.#failures);
      this.#failures += 1;
      this.#retry(longest * (0.5 + Math.random() / 2), problem);
    }

    #retry(ms, problem) {
      this.#begin();
      this.#timer = setTimeout(() => this.#open(), ms);
      this.#tell("waiting", problem, Date.now() + ms);
    }

    #tell(state, problem = null, retryAt = null) {
      this.state = state;
      this.onState({ state, problem, retryAt });
    }
  }

  Hopstream.EventsConnection = EventsConnection;
})();
