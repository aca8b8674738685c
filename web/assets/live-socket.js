// A WebSocket of the API's: opened with a ticket, watched for silence, opened again whatever happens.
"use strict";

(() => {
  const SILENCE_MS = 40_000; // the API pings every 15 s
  const OPEN_MS = 15_000;
  const FIRST_WAIT_MS = 500;
  const LONGEST_WAIT_MS = 15_000;
  const REFUSED_WAIT_MS = 30_000; // too many streams, or none here: not mended by asking often
  const SPREAD_MS = 400; // when an API says goodbye, its pages do not all come at the same moment
  const REFUSED = [403, 404, 429];
  const NO_PROGRESS = ["ready", "goaway", "error"]; // frames after which a failure is no first one
  const UNFIT = [1003, 1007, 1009]; // close codes for what this page has sent: it would be refused again (RFC 6455, 7.4.1)

  class LiveSocket {
    #api;
    #path;
    #query;
    #terminal;
    #socket = null;
    #attempt = 0; // counts up with each that is begun: what comes of an earlier one is passed over
    #failures = 0;
    #timer = null; // of the next attempt, or of this one's silence
    #heardAt = 0;
    #retryAfter = null; // by the API's last word
    state = "idle"; // idle, connecting, live, waiting, locked, ended

    /**
     * `hello()` is the first frame, where there is one. Handlers: onReady(frame), onFrame(frame) for what is no word of
     * the connection's own, onState({state, problem, retryAt}). `terminal`: statuses that end it.
     */
    constructor(api, path, { query = {}, terminal = [], hello = () => null, ...handlers }) {
      this.#api = api;
      this.#path = path;
      this.#query = query;
      this.#terminal = terminal;
      this.hello = hello;
      Object.assign(this, handlers);
      addEventListener("online", () => this.wake());
      document.addEventListener("visibilitychange", () => document.hidden || this.wake());
    }

    start() {
      if (["idle", "locked", "ended"].includes(this.state)) this.restart();
    }

    /** For good, or until it is started again. */
    stop() {
      this.#begin();
      this.#tell("idle");
    }

    /** Tries at once if it waits, or if a sleep of the machine has outlived the connection. */
    wake() {
      if (this.state === "waiting") this.#open();
      else if (this.state === "live" && performance.now() - this.#heardAt > SILENCE_MS) this.fail("No word from the API for long.");
    }

    /** Begins anew: there is another key, or somebody asks for it. */
    restart() {
      this.#failures = 0;
      this.#open();
    }

    /** Returns whether it is on its way. */
    send(frame) {
      if (this.state !== "live" || this.#socket.readyState !== WebSocket.OPEN) return false;
      this.#socket.send(JSON.stringify(frame));
      return true;
    }

    async #open() {
      const attempt = this.#begin();
      this.#tell("connecting");
      let socket;
      try {
        socket = await this.#api.openSocket(this.#path, this.#query);
      } catch (error) {
        if (attempt === this.#attempt) this.#onRefusal(error.status, error.message, error.retryAfter);
        return;
      }
      if (attempt !== this.#attempt) return socket.close();
      this.#socket = socket;
      this.#timer = setTimeout(() => this.fail("The API does not answer."), OPEN_MS);
      socket.onopen = () => this.#greet(socket);
      socket.onmessage = ({ data }) => attempt === this.#attempt && this.#onFrame(JSON.parse(data));
      socket.onclose = ({ code, reason }) => attempt === this.#attempt && this.#onClose(code, reason);
    }

    #begin() {
      clearTimeout(this.#timer);
      this.#socket?.close();
      this.#socket = this.#retryAfter = null;
      return (this.#attempt += 1);
    }

    #greet(socket) {
      const hello = this.hello();
      if (hello) socket.send(JSON.stringify(hello));
    }

    #onFrame(frame) {
      this.#heardAt = performance.now();
      if (!NO_PROGRESS.includes(frame.type)) this.#failures = 0;
      if (frame.type === "ready") this.#onReady(frame);
      else if (frame.type === "goaway") this.#retry(Math.random() * SPREAD_MS, "The API restarts.");
      else if (frame.type !== "ping" && frame.type !== "pong") this.#onWord(frame);
    }

    #onWord(frame) {
      if (frame.type === "error") this.#retryAfter = frame.retryAfter ?? null;
      this.onFrame(frame);
    }

    #onReady(frame) {
      clearTimeout(this.#timer);
      this.#tell("live");
      this.onReady(frame);
      this.#watch();
    }

    /** One timer for all frames: with thousands a second, one each would cost more than the frames. */
    #watch() {
      const left = SILENCE_MS - (performance.now() - this.#heardAt);
      if (left <= 0) this.fail("No word from the API for long.");
      else this.#timer = setTimeout(() => this.#watch(), left);
    }

    #onClose(code, reason) {
      if (UNFIT.includes(code)) this.#end(reason || "The API cannot read what this page has sent.");
      else if (code >= 4000) this.#onRefusal(code - 4000, reason, this.#retryAfter);
      else this.fail("The connection is lost.");
    }

    #onRefusal(status, message, retryAfter) {
      if (status === 401 && this.#api.isLocked) this.#end("This API needs a key.", "locked");
      else if (this.#terminal.includes(status)) this.#end(message);
      else if (REFUSED.includes(status)) this.#retry((retryAfter ?? 0) * 1000 || REFUSED_WAIT_MS, message);
      else this.fail(message, retryAfter);
    }

    #end(problem, state = "ended") {
      this.#begin();
      this.#tell(state, problem);
    }

    /** It is of no use any more: the next one is opened after a while. */
    fail(problem, retryAfter = null) {
      const longest = Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** this.#failures);
      this.#failures += 1;
      this.#retry(Math.max((retryAfter ?? 0) * 1000, longest * (0.5 + Math.random() / 2)), problem);
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

  Hopstream.LiveSocket = LiveSocket;
})();
