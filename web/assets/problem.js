// A request that failed, said where its answer would have been, with a way on.
"use strict";

(() => {
  const { asSentence, byId, clone, part } = Hopstream.dom;

  class ProblemCard {
    #element = null;
    #countdown = null;

    /** `onDirect` is offered where the queue is what failed. */
    show(error, { onRetry, onDirect = null, hint = "" }) {
      this.clear();
      const card = (this.#element = clone("problem-template"));
      const text = card.querySelector(".problem-text");
      const until = error.retryAfter === null ? null : Date.now() + error.retryAfter * 1000;
      const describe = () => {
        text.textContent = `${describeProblem(error, until)} ${hint}`.trim();
      };
      describe();
      if (until !== null) this.#countdown = setInterval(describe, 1000);
      part(card, "retry").addEventListener("click", onRetry);
      const direct = part(card, "retry-direct");
      direct.hidden = !onDirect;
      if (onDirect) direct.addEventListener("click", onDirect);
      byId("thread").append(card);
    }

    clear() {
      clearInterval(this.#countdown);
      this.#element?.remove();
      this.#element = null;
    }
  }

  function describeProblem(error, until) {
    const text = asSentence(error.message);
    if (until === null) return text;
    const seconds = Math.ceil((until - Date.now()) / 1000);
    return seconds > 0 ? `${text} Try again in ${seconds} s.` : `${text} You can try again now.`;
  }

  Hopstream.ProblemCard = ProblemCard;
})();
