// The live lines: one EventSource, opened again by us and not by the browser, which would tell neither why it was refused
// nor when it tries again, and would keep a token that has ended.
import { isId } from "./line.js";

const RATE = 2_000; // lines a second: what is more is skipped by the gateway, and told
const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 15_000;
const OPEN_MS = 15_000;
const SILENCE_MS = 45_000; // the gateway tells of Redis each 5 s
const EVENTS = ["status", "alerts", "gap", "skipped"];

export class Feed {
  #gateway;
  #query = {};
  #source = null;
  #lastId = "";
  #attempt = 0; // what comes of an earlier one is passed over
  #failures = 0;
  #timer = null;
  #heardAt = 0;
  state = "idle"; // connecting, live, waiting, locked, refused

  /** Handlers: onReady(isResumed), onLine(wire), onEvent(name, data), onState({state, problem, retryAt}). */
  constructor(gateway, handlers) {
    this.#gateway = gateway;
    Object.assign(this, handlers);
    addEventListener("online", () => this.wake());
    document.addEventListener("visibilitychange", () => document.hidden || this.wake());
    addEventListener("pagehide", () => this.#begin());
    addEventListener("pageshow", (event) => event.persisted && this.#open());
  }

  /** Anew, with other filters: from now on. */
  start(query) {
    this.#query = query;
    this.#lastId = "";
    this.#failures = 0;
    this.#open();
  }

  /** The newest line that the history had: with none of its own yet, it goes on after that one when it connects again. */
  goOnAfter(id) {
    if (this.#lastId === "") this.#lastId = id;
  }

  /** Tries at once if it waits, or if a sleep of the machine has outlived the connection. */
  wake() {
    if (this.state === "waiting") this.#open();
    else if (this.state === "live" && performance.now() - this.#heardAt > SILENCE_MS) this.#fail("No word from the log gateway for long");
  }

  retry() {
    this.#failures = 0;
    this.#open();
  }

  async #open() {
    const attempt = this.#begin();
    this.#tell("connecting");
    let url;
    try {
      url = await this.#gateway.streamUrl({ ...this.#query, rate: RATE, last_event_id: this.#lastId });
    } catch (error) {
      if (attempt === this.#attempt) this.#onRefusal(error);
      return;
    }
    if (attempt !== this.#attempt) return;
    const source = (this.#source = new EventSource(url));
    this.#timer = setTimeout(() => this.#fail("The log gateway does not answer"), OPEN_MS);
    source.onopen = () => this.#onOpen();
    source.onmessage = (event) => this.#onMessage(event);
    for (const name of EVENTS) source.addEventListener(name, (event) => this.#onEvent(name, event));
    source.onerror = () => this.#onError(attempt);
  }

  #begin() {
    clearTimeout(this.#timer);
    this.#source?.close();
    this.#source = null;
    return (this.#attempt += 1);
  }

  #onOpen() {
    this.#heardAt = performance.now();
    clearTimeout(this.#timer);
    this.#watch();
  }

  #onMessage(event) {
    this.#heard(event);
    this.onLine(JSON.parse(event.data));
  }

  #onEvent(name, event) {
    this.#heard(event);
    this.onEvent(name, JSON.parse(event.data));
  }

  /** Its first word says that it has its place in the stream: from there on nothing is missed. */
  #heard({ lastEventId }) {
    this.#heardAt = performance.now();
    const isResumed = this.#lastId !== "";
    if (isId(lastEventId)) this.#lastId = lastEventId;
    if (this.state === "live") return;
    this.#failures = 0;
    this.#tell("live");
    this.onReady(isResumed);
  }

  /** One timer for all events: with thousands a second one each would cost more than the events. */
  #watch() {
    const left = SILENCE_MS - (performance.now() - this.#heardAt);
    if (left <= 0) this.#fail("No word from the log gateway for long");
    else this.#timer = setTimeout(() => this.#watch(), left);
  }

  /** The browser does not say what it was: a question of the same filters does. */
  async #onError(attempt) {
    const wasLive = this.state === "live";
    this.#begin();
    if (wasLive) return this.#fail("The connection to the log gateway is lost");
    attempt = this.#attempt;
    try {
      await this.#gateway.history({ ...this.#query, limit: 1 });
    } catch (error) {
      if (attempt === this.#attempt) this.#onRefusal(error);
      return;
    }
    if (attempt === this.#attempt) this.#fail("The log gateway refuses the stream");
  }

  #onRefusal({ status, message, retryAfter }) {
    if (status === 401) this.#end("locked", message);
    else if (status === 400 || status === 422) this.#end("refused", message);
    else this.#fail(message, retryAfter);
  }

  #end(state, problem) {
    this.#begin();
    this.#tell(state, problem);
  }

  #fail(problem, retryAfter = null) {
    this.#begin();
    const longest = Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** this.#failures);
    this.#failures += 1;
    const ms = Math.max((retryAfter ?? 0) * 1_000, longest * (0.5 + Math.random() / 2));
    this.#timer = setTimeout(() => this.#open(), ms);
    this.#tell("waiting", problem, Date.now() + ms);
  }

  #tell(state, problem = null, retryAt = null) {
    this.state = state;
    this.onState({ state, problem, retryAt });
  }
}
