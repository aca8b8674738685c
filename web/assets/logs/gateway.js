// The gateway's HTTP, from which this page came.
const ROOT = new URL("../..", import.meta.url); // whatever prefix it is served under
const TIMEOUT_MS = 30_000;
const KEY = "hopstream.log-key";
const TOKEN_SPARE_MS = 10_000; // a token is not used when it is about to end

/** A request that failed: `status` 0 where no answer came. */
export class GatewayError extends Error {
  constructor(message, status = 0, retryAfter = null) {
    super(message);
    Object.assign(this, { status, retryAfter });
  }
}

export class Gateway {
  #memory = null; // where the browser keeps nothing
  #token = null;

  get address() {
    return ROOT;
  }

  get key() {
    try {
      return sessionStorage.getItem(KEY) ?? this.#memory;
    } catch {
      return this.#memory;
    }
  }

  set key(key) {
    this.#memory = key;
    this.#token = null;
    try {
      if (key) sessionStorage.setItem(KEY, key);
      else sessionStorage.removeItem(KEY);
    } catch {
      // blocked: this page's memory stands in
    }
  }

  /** Raises GatewayError: 401 where this key is not accepted. */
  async tryKey(key) {
    await this.#read(await this.#send("token", {}, { method: "POST", key }));
    this.key = key;
  }

  history(query, signal) {
    return this.#json("history", query, signal);
  }

  totals(minutes) {
    return this.#json("totals", { minutes });
  }

  services() {
    return this.#json("services");
  }

  /** The address of the stream, with a token where there is a key: an EventSource sends no header. */
  async streamUrl(query) {
    return this.#url("stream", { ...query, token: this.key ? await this.#freshToken() : "" });
  }

  /** Of a download: {url}, and {blob} where it needs the key. */
  async download(query) {
    if (!this.key) return { url: this.#url("export", query) };
    const response = await this.#send("export", query, { key: this.key, timeout: null });
    if (!response.ok) throw await problemOf(response);
    return { blob: await response.blob() };
  }

  async #freshToken() {
    if (this.#token && this.#token.endsAt - TOKEN_SPARE_MS > Date.now()) return this.#token.text;
    const { token, expires } = await this.#read(await this.#send("token", {}, { method: "POST", key: this.key }));
    this.#token = { text: token, endsAt: momentOf(expires) };
    return token;
  }

  async #json(path, query = {}, signal = null) {
    return this.#read(await this.#send(path, query, { key: this.key, signal }));
  }

  async #send(path, query, { method = "GET", key, signal = null, timeout = TIMEOUT_MS }) {
    const signals = [signal, timeout && AbortSignal.timeout(timeout)].filter(Boolean);
    try {
      return await fetch(this.#url(path, query), {
        method,
        cache: "no-store",
        headers: key ? { Authorization: `Bearer ${key}` } : {},
        signal: signals.length ? AbortSignal.any(signals) : null,
      });
    } catch (error) {
      if (signal?.aborted) throw error;
      throw new GatewayError("The log gateway cannot be reached");
    }
  }

  async #read(response) {
    if (!response.ok) throw await problemOf(response);
    try {
      return await response.json();
    } catch {
      throw new GatewayError("The log gateway's answer broke off");
    }
  }

  #url(path, query) {
    const url = new URL(path, ROOT);
    for (const [name, value] of Object.entries(query)) {
      for (const each of [value].flat()) if (each !== "" && each !== null && each !== undefined) url.searchParams.append(name, each);
    }
    return url.href;
  }
}

/** Seconds since 1970, or a time as text. */
function momentOf(expires) {
  return typeof expires === "number" ? expires * 1_000 : Date.parse(expires) || 0;
}

/** problem+json (RFC 9457), or what a proxy in between says instead. */
async function problemOf(response) {
  const problem = await response.json().catch(() => ({}));
  const text = problem.detail ?? problem.title;
  const seconds = Number.parseInt(response.headers.get("Retry-After") ?? "", 10);
  const message = typeof text === "string" ? text : `The log gateway answered ${response.status}`;
  return new GatewayError(message, response.status, Number.isFinite(seconds) ? seconds : null);
}
