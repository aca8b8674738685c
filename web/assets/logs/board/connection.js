// Whether this page is live: the light in the header, and a banner that says what is wrong and when it is tried again.
const { asSentence, byId, setText } = Hopstream.dom;
const BACK_MS = 3_000; // so long it says that all is well again
const CALM_MS = 800; // a connection that is back sooner was not worth a word
const LIGHTS = {
  connecting: ["connecting", "Connecting"],
  live: ["streaming", "Live"],
  waiting: ["error", "Offline"],
  locked: ["error", "No key"],
  refused: ["error", "Not live"],
};

export class Connection {
  #banner = byId("live-banner");
  #timer = null;
  #ticking = null;
  #isDown = false;

  /** `onRetry()` is called when somebody does not want to wait. */
  constructor(onRetry) {
    byId("retry-now").addEventListener("click", onRetry);
  }

  show({ state, problem, retryAt }) {
    const [lamp, words] = LIGHTS[state];
    byId("light-live").dataset.state = lamp;
    setText(byId("light-live").querySelector(".light-name"), words);
    this.#count(retryAt);
    if (state === "connecting") return;
    clearTimeout(this.#timer);
    if (state === "live") this.#onLive();
    else if (state === "refused") this.#banner.hidden = true; // the filter says what is wrong
    else if (this.#isDown || state === "locked") this.#say(state, problem);
    else this.#timer = setTimeout(() => this.#say(state, problem), CALM_MS);
  }

  #say(state, problem) {
    this.#isDown = true;
    setText(byId("live-text"), state === "locked" ? "These logs need a key." : `${asSentence(problem)} No line is lost: the page goes on where it was.`);
    this.#banner.classList.add("warn");
    this.#banner.hidden = false;
    byId("retry-now").hidden = false;
    setText(byId("retry-now"), state === "locked" ? "Enter a key" : "Try now");
  }

  #onLive() {
    if (!this.#isDown) return;
    this.#isDown = false;
    setText(byId("live-text"), "Live again.");
    this.#banner.classList.remove("warn");
    if (document.activeElement === byId("retry-now")) byId("list").focus({ preventScroll: true });
    byId("retry-now").hidden = true;
    this.#timer = setTimeout(() => (this.#banner.hidden = true), BACK_MS);
  }

  /** Beside the live region: it is not to be read out each second. */
  #count(until) {
    clearInterval(this.#ticking);
    const tell = () => {
      const seconds = until === null ? 0 : Math.ceil((until - Date.now()) / 1_000);
      setText(byId("live-countdown"), seconds > 0 ? `Reconnecting in ${seconds} s.` : "");
    };
    tell();
    if (until !== null) this.#ticking = setInterval(tell, 500);
  }
}
