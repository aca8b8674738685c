// An answer in the order in which it came: text, the tools of a step, text again.
"use strict";

(() => {
  const { Answer, ToolGroup } = Hopstream;

  class AnswerBody {
    #element;
    #pieces = []; // {kind, element, view}

    constructor(element) {
      this.#element = element;
    }

    show({ text, calls, isFinished }) {
      const pieces = piecesOf(text, calls.list);
      pieces.forEach((piece, index) => {
        const { view } = this.#piece(index, piece);
        const isLast = index === pieces.length - 1;
        if (piece.calls) view.show(piece.calls, { isOpen: !isFinished, steps: calls.steps });
        else view.show(piece.text, isFinished || !isLast);
      });
      for (const { element } of this.#pieces.splice(pieces.length)) element.remove();
    }

    /** Its text, without tools. */
    get spoken() {
      return this.#pieces.filter(({ kind }) => kind === "text").map(({ element }) => element.textContent).join("\n");
    }

    /** What is shown at that place, made anew where something else stood there. */
    #piece(index, { calls, step }) {
      const kind = calls ? `step ${step}` : "text";
      const present = this.#pieces[index];
      if (present?.kind === kind) return present;
      const made = calls ? madeOf(kind, new ToolGroup(step)) : textPiece(kind);
      if (present) present.element.replaceWith(made.element);
      else this.#element.append(made.element);
      this.#pieces[index] = made;
      return made;
    }
  }

  const madeOf = (kind, group) => ({ kind, element: group.element, view: group });

  function textPiece(kind) {
    const element = document.createElement("div");
    element.className = "answer";
    return { kind, element, view: new Answer(element) };
  }

  /** [{text} or {step, calls}]. Text of blanks alone between tools is none. */
  function piecesOf(text, calls) {
    const pieces = [];
    let end = 0;
    for (const call of calls) {
      const before = text.slice(end, call.at);
      if (before.trim()) pieces.push({ text: before });
      end = Math.max(end, call.at);
      const last = pieces.at(-1);
      if (last?.calls && last.step === call.step) last.calls.push(call);
      else pieces.push({ step: call.step, calls: [call] });
    }
    const rest = text.slice(end);
    if (rest.trim() || pieces.length === 0) pieces.push({ text: rest });
    return pieces;
  }

  Object.assign(Hopstream, { AnswerBody, piecesOf });
})();
