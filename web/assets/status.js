// The three lights and the banners: what can be reached, and who answers.
"use strict";

(() => {
  const { byId } = Hopstream.dom;
  const POLL_MS = 5_000;
  const WORDS = {
    api: { up: "reachable", down: "not reachable", connecting: "connecting" },
    queue: { up: "ready", down: "RabbitMQ cannot be reached", "no-worker": "no worker is running", connecting: "unknown" },
    stream: { idle: "idle", connecting: "connecting", streaming: "an answer is streaming", error: "interrupted" },
  };

  class Status {
    #api;
    #health = null;
    #mode = "queue";
    #timer = null;
    #isAsking = false;

    /** Handlers: onHealth(health), onBack() when the API can be reached again. */
    constructor(api, { onHealth, onBack }) {
      this.#api = api;
      this.onHealth = onHealth;
      this.onBack = onBack;
      for (const event of ["online", "offline", "focus"]) addEventListener(event, () => this.check());
      document.addEventListener("visibilitychange", () => document.hidden || this.check());
    }

    async check() {
      if (this.#isAsking) return;
      this.#isAsking = true;
      clearTimeout(this.#timer);
      const wasDown = this.#health === null;
      this.#health = await this.#api.health().catch(() => null);
      this.#isAsking = false;
      this.#timer = setTimeout(() => document.hidden || this.check(), POLL_MS);
      this.#show();
      if (this.#health) this.onHealth(this.#health);
      if (this.#health && wasDown) this.onBack();
    }

    setMode(mode) {
      this.#mode = mode;
      this.#show();
    }

    setStream(state) {
      setLight("stream", state);
    }

    get isBrokerDown() {
      return this.#health?.broker === "down";
    }

    #show() {
      const health = this.#health;
      setLight("api", health ? "up" : "down");
      setLight("queue", health?.broker === "up" ? nameWorkers(health.workers) : "down");
      byId("demo-banner").hidden = health?.provider !== "demo";
      byId("broker-banner").hidden = !this.isBrokerDown || this.#mode === "direct";
    }
  }

  /** The API tells nobody without a key how many workers run. */
  function nameWorkers(count) {
    if (count === undefined) return "connecting";
    return count > 0 ? "up" : "no-worker";
  }

  function setLight(name, state) {
    const light = byId(`light-${name}`);
    if (light.dataset.state === state) return;
    light.dataset.state = state;
    light.title = `${light.querySelector(".light-name").textContent}: ${WORDS[name][state]}`;
    light.querySelector(".light-text").textContent = `: ${WORDS[name][state]}`;
  }

  Hopstream.Status = Status;
})();
