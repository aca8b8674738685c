// A request that failed, said where its answer would have been, with a way on.
"use strict";

(() => {
  const { asSentence, byId, clone, part, setText } = Hopstream.dom;

  class ProblemCard {
    #element = null;
    #countdown = null;

    /** `onDirect` is offered where the queue is what failed. */
    show(error, { onRetry, onDirect = null, hint = "" }) {
      this.clear();
      const card = (this.#element = clone("problem-template"));
      const [text, wait] = [card.querySelector(".problem-text"), card.querySelector(".problem-wait")];
      text.textContent = `${asSentence(error.message)} ${hint}`.trim();
      if (error.retryAfter !== null) this.#countDown(wait, Date.now() + error.retryAfter * 1000);
      part(card, "retry").addEventListener("click", onRetry);
      const direct = part(card, "retry-direct");
      direct.hidden = !onDirect;
      if (onDirect) direct.addEventListener("click", onDirect);
      byId("thread").append(card);
    }

    /** Seen, and not said each second anew. */
    #countDown(wait, until) {
      const tell = () => {
        const seconds = Math.ceil((until - Date.now()) / 1000);
        setText(wait, seconds > 0 ? `Try again in ${seconds} s.` : "You can try again now.");
        if (seconds <= 0) clearInterval(this.#countdown);
      };
      this.#countdown = setInterval(tell, 1000);
      tell();
    }

    clear() {
      clearInterval(this.#countdown);
      this.#element?.remove();
      this.#element = null;
    }
  }

  Hopstream.ProblemCard = ProblemCard;
})();
