// What can be done with a stream: cancel it, open its chat.
"use strict";

(() => {
  const { pages } = Hopstream;
  const { asSentence } = Hopstream.dom;

  class CardActions {
    #card;
    #parts = null;
    #isCancelling = false;

    /** `onCancel(stream)` may raise ApiError. */
    constructor(card, onCancel) {
      this.#card = card;
      this.onCancel = onCancel;
    }

    setUp(parts) {
      this.#parts = parts;
      parts.cancel.addEventListener("click", () => this.#cancel());
    }

    show({ sessionId, isActive, requestId }) {
      const { cancel, open } = this.#parts;
      if (!isActive && cancel === document.activeElement) this.#card.element.focus({ preventScroll: true });
      cancel.hidden = !isActive;
      cancel.disabled = this.#isCancelling;
      cancel.ariaLabel = `Cancel stream ${requestId}`;
      cancel.textContent = this.#isCancelling ? "Cancelling…" : "Cancel";
      open.href = pages.pageUrl("chat", {}, sessionId);
    }

    async #cancel() {
      const { stream } = this.#card;
      this.#isCancelling = true;
      this.#card.element.focus({ preventScroll: true }); // the button is off now
      this.show(stream);
      let problem = "";
      try {
        await this.onCancel(stream);
      } catch (error) {
        problem = `It was not cancelled. ${asSentence(error.message)}`;
        this.#isCancelling = false;
      }
      if (!this.#parts) return;
      this.#parts.problem.textContent = problem;
      this.#parts.problem.hidden = !problem;
      this.show(stream);
    }
  }

  Hopstream.CardActions = CardActions;
})();
