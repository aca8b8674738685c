// Hopstream's HTTP API, as far as the page uses it.
"use strict";

(() => {
  const { readEvents, storage } = Hopstream;
  const HOME = new URL("..", document.currentScript.src).href; // whatever the page's own path
  const DEFAULT_BASE = "http://localhost:8007";
  const CHEAPEST_PATH = "/sessions?limit=1"; // that needs a key
  const HEALTH_TIMEOUT_MS = 4_000;
  const REQUEST_TIMEOUT_MS = 30_000;
  const SILENCE_MS = 40_000; // the API pings every 15 s: a connection that is silent for longer is dead

  /** A request that failed: `code` of the problem, or "network" where no answer came; `errors` of its fields. */
  class ApiError extends Error {
    constructor({ code, detail, status = 0, retryAfter = null, errors = [] }) {
      super(detail);
      Object.assign(this, { code, status, retryAfter, errors });
    }
  }

  /** Cuts off a connection on which nothing arrives any more. */
  class Silence {
    #timer = null;

    constructor(cutOff) {
      this.cutOff = cutOff;
    }

    restart() {
      this.stop();
      this.#timer = setTimeout(this.cutOff, SILENCE_MS);
    }

    stop() {
      clearTimeout(this.#timer);
    }
  }

  class Api {
    isLocked = false; // a key is needed, and the person gave none when asked
    askForKey = async () => false; // set by the page; resolves to true once there is a key
    #declined = 0; // grows each time the person gives none

    constructor(base) {
      this.base = base;
      this.keyName = `key:${base}`; // another server must never get it
    }

    get key() {
      return storage.read(this.keyName);
    }

    /** Raises ApiError: 401 where this key is not accepted. */
    async tryKey(key) {
      const response = await this.#send(CHEAPEST_PATH, { key, timeout: REQUEST_TIMEOUT_MS });
      if (!response.ok) throw await readProblem(response);
      this.isLocked = false;
    }

    /** Asks for the key right away where one is needed, rather than when a message is on its way. */
    async knock() {
      await this.#json(CHEAPEST_PATH);
    }

    health() {
      return this.#json("/health", { timeout: HEALTH_TIMEOUT_MS });
    }

    models() {
      return this.#quietly("/models");
    }

    agents() {
      return this.#quietly("/agents");
    }

    session(id) {
      return this.#json(`/sessions/${id}`);
    }

    /** Turns of all sessions, newest first: {turns, next}. */
    turns(query) {
      return this.call("GET", "/turns", { query });
    }

    /** Any request: its answer, null for one without. Members of `query` that are empty are left out. */
    async call(method, path, { query = {}, body, headers = {}, timeout = REQUEST_TIMEOUT_MS } = {}) {
      const url = this.#url(path);
      for (const [name, value] of Object.entries(query)) if (value) url.searchParams.set(name, value);
      const content = body === undefined ? { headers } : json(body, headers);
      const response = await this.#fetch(url, { method, timeout, ...content });
      return response.status === 204 ? null : this.#read(response);
    }

    /** Raises ApiError. A socket takes no header: a ticket stands for the key. */
    async openSocket(path, query) {
      const { protocols } = await this.#json("/ws/ticket", post({ path }));
      const url = this.#url(path);
      url.protocol = url.protocol.replace("http", "ws");
      url.search = new URLSearchParams(query);
      return new WebSocket(url, protocols);
    }

    async remove(id) {
      await this.#fetch(`/sessions/${id}`, { method: "DELETE", timeout: REQUEST_TIMEOUT_MS });
    }

    /** All that runs or waits in a session, or one turn of it. */
    async cancel(id, turn = null) {
      return this.#json(`/chat/${id}/cancel${turn === null ? "" : `?turn=${turn}`}`, { method: "POST" });
    }

    /** Queue mode: returns what the API accepted. */
    ask(body) {
      return this.#json("/chat", post(body));
    }

    /** Direct mode: yields the answer's events from the response itself. */
    askDirectly(body, signal) {
      const init = post(body);
      init.headers.Accept = "text/event-stream";
      return this.#events("/chat", init, signal);
    }

    /** Yields the events after `lastId`; {type: "open"} once connected, {type: "seen"} where there is nothing more. */
    stream(path, lastId, signal) {
      const url = this.#url(path);
      if (lastId) url.searchParams.set("last_event_id", lastId);
      return this.#events(url, { headers: { Accept: "text/event-stream" } }, signal);
    }

    async *#events(path, init, signal) {
      const connection = new AbortController();
      const abort = () => connection.abort();
      const silence = new Silence(abort);
      signal.addEventListener("abort", abort);
      if (signal.aborted) abort();
      try {
        const response = await this.#fetch(path, { ...init, signal: connection.signal, silence });
        yield { type: response.status === 204 ? "seen" : "open" };
        if (response.status === 204) return;
        for await (const { id, data } of readEvents(response.body, () => silence.restart())) yield { ...data, id };
      } catch (error) {
        throw error instanceof ApiError ? error : this.#unreachable();
      } finally {
        silence.stop();
        signal.removeEventListener("abort", abort);
        abort();
      }
    }

    /** Asks nobody for a key: it can wait. */
    async #quietly(path) {
      const response = await this.#send(path, { key: this.key, timeout: REQUEST_TIMEOUT_MS });
      if (!response.ok) throw await readProblem(response);
      return response.json();
    }

    async #json(path, { timeout = REQUEST_TIMEOUT_MS, ...init } = {}) {
      return this.#read(await this.#fetch(path, { ...init, timeout }));
    }

    async #read(response) {
      try {
        return await response.json();
      } catch {
        throw this.#unreachable();
      }
    }

    async #fetch(path, { silence = null, ...init }) {
      while (true) {
        const { key } = this;
        const declined = this.#declined;
        silence?.restart();
        const response = await this.#send(path, { ...init, key });
        if (response.ok) return response;
        const problem = await readProblem(response);
        if (response.status !== 401) throw problem;
        silence?.stop(); // a person may take long
        // Another request may have got a key meanwhile; or the person was asked for one, and gave none.
        const hasKey = this.key !== key || (this.#declined === declined && (await this.#asksForKey(key)));
        this.isLocked = !hasKey;
        if (!hasKey) throw problem;
      }
    }

    async #asksForKey(key) {
      const hasKey = await this.askForKey(key ? "The key of this browser is not accepted (any more)." : "");
      if (!hasKey) this.#declined += 1;
      return hasKey;
    }

    async #send(path, { key, timeout, headers = {}, ...init }) {
      try {
        return await fetch(this.#url(path), {
          cache: "no-store",
          ...(timeout ? { signal: AbortSignal.timeout(timeout) } : {}),
          ...init,
          headers: key ? { ...headers, Authorization: `Bearer ${key}` } : headers,
        });
      } catch {
        throw this.#unreachable();
      }
    }

    /** `path` is one of the API's own, or one that it told: with the prefix, if it is served under one. */
    #url(path) {
      if (path instanceof URL) return path;
      const { origin, pathname } = new URL(this.base);
      const prefix = pathname.replace(/\/$/, "");
      return new URL(path.startsWith(`${prefix}/`) ? path : prefix + path, origin);
    }

    #unreachable() {
      return new ApiError({ code: "network", detail: `The API at ${this.base} cannot be reached.` });
    }
  }

  function post(body) {
    return { method: "POST", ...json(body) };
  }

  function json(body, headers = {}) {
    return { headers: { ...headers, "Content-Type": "application/json" }, body: JSON.stringify(body) };
  }

  /** problem+json (RFC 9457), or what a proxy in between says instead. */
  async function readProblem(response) {
    const problem = await response.json().catch(() => ({}));
    const seconds = Number.parseInt(response.headers.get("Retry-After") ?? "", 10);
    return new ApiError({
      code: String(problem.code ?? "http_error"),
      detail: String(problem.detail ?? problem.title ?? `The API answered ${response.status}.`),
      status: response.status,
      retryAfter: Number.isFinite(seconds) ? seconds : null,
      errors: Array.isArray(problem.errors) ? problem.errors : [],
    });
  }

  /** `?api=` holds for this page alone: a link must not be able to turn a browser to another server for good. */
  async function findApi() {
    const asked = parseBase(new URLSearchParams(location.search).get("api"));
    const base = asked ?? parseBase(storage.read("api"));
    if (base) return new Api(base);
    return new Api((await isServedByApi()) ? ownBase() : DEFAULT_BASE);
  }

  /** Where this page is from: under a prefix, perhaps. */
  function ownBase() {
    return parseBase(HOME);
  }

  async function isServedByApi() {
    if (!location.protocol.startsWith("http")) return false;
    try {
      const health = await new Api(ownBase()).health();
      return health.status === "ok" && "broker" in health;
    } catch (error) {
      return error.status >= 500; // a static server answers 404 and a page that is no JSON
    }
  }

  /** The address without query and closing slash, or null where it is no web address. */
  function parseBase(text) {
    try {
      const url = new URL(text);
      return /^https?:$/.test(url.protocol) ? (url.origin + url.pathname).replace(/\/+$/, "") : null;
    } catch {
      return null;
    }
  }

  Object.assign(Hopstream, { Api, ApiError, HOME, findApi, parseBase });
})();
