// Whether this page is live: the light in the header, and a banner that says what is wrong and when it is tried again.
"use strict";

(() => {
  const { asSentence, byId } = Hopstream.dom;
  const BACK_MS = 4_000; // so long it says that all is well again
  const CALM_MS = 1_500; // a connection that is back sooner was not worth a word
  const LIGHTS = {
    connecting: ["connecting", "Connecting"],
    live: ["streaming", "Live"],
    waiting: ["error", "Offline"],
    locked: ["error", "No key"],
  };

  class Banner {
    #element = byId("live-banner");
    #text = byId("live-text");
    #countdown = byId("live-countdown");
    #retry = byId("retry-now");
    #timer = null;
    #ticking = null;
    #isDown = false;

    /** `onRetry()` is called when somebody does not want to wait. */
    constructor(onRetry) {
      this.#retry.addEventListener("click", onRetry);
    }

    show({ state, problem, retryAt }) {
      const [lamp, words] = LIGHTS[state];
      const light = byId("light-live");
      light.dataset.state = lamp;
      light.querySelector(".light-name").textContent = words;
      byId("cards").dataset.live = String(state === "live");
      if (state === "live") return this.#onLive();
      if (state === "connecting") return this.#count(null);
      clearTimeout(this.#timer);
      if (this.#isDown || state === "locked") this.#say(state, problem, retryAt);
      else this.#timer = setTimeout(() => this.#say(state, problem, retryAt), CALM_MS);
    }

    #say(state, problem, retryAt) {
      this.#isDown = true;
      const text = state === "locked" ? asSentence(problem) : `${asSentence(problem)} What you see may be out of date.`;
      if (this.#text.textContent !== text) this.#text.textContent = text;
      this.#element.hidden = false;
      this.#element.classList.add("warn");
      this.#retry.hidden = false;
      this.#retry.textContent = state === "locked" ? "Enter a key" : "Try now";
      this.#count(retryAt);
    }

    #onLive() {
      clearTimeout(this.#timer);
      this.#count(null);
      if (!this.#isDown) return;
      this.#isDown = false;
      this.#text.textContent = "Live again.";
      this.#element.classList.remove("warn");
      if (document.activeElement === this.#retry) byId("main").focus({ preventScroll: true });
      this.#retry.hidden = true;
      this.#timer = setTimeout(() => (this.#element.hidden = true), BACK_MS);
    }

    /** Beside the live region: it is not to be read out each second. */
    #count(until) {
      clearInterval(this.#ticking);
      const tell = () => {
        const seconds = until === null ? 0 : Math.ceil((until - Date.now()) / 1_000);
        this.#countdown.textContent = seconds > 1 ? `Next try in ${seconds} s.` : "";
      };
      tell();
      if (until !== null) this.#ticking = setInterval(tell, 1_000);
    }
  }

  Hopstream.Banner = Banner;
})();
