// A stream's card. While it is out of sight it is its frame and heading alone: the rest is made when it comes near.
"use strict";

(() => {
  const { CardActions, LiveText, Waterfall, drawGaps, figures, pages, showLabels, showMore, showTools } = Hopstream;
  const { clone, part, setText } = Hopstream.dom;
  const QUESTION_CHARS = 160;
  const WORDS = { queued: "Queued", streaming: "Streaming", completed: "Completed", error: "Error", cancelled: "Cancelled" };
  const FINISHES = {
    length: "The answer was cut off: the model's limit.",
    content_filter: "The answer was filtered.",
    tool_calls: "The model asked for a tool.",
  };

  class Card {
    #body = null; // elements by name, while it is near
    #text = null;
    #thoughts = null;
    #waterfall = null;
    #actions;
    #version = -1;
    #shownTools = null;
    isNear = false;

    /** Handlers: onCancel(stream), which may raise; onDetails(stream) when more is to be known. */
    constructor(stream, handlers) {
      this.stream = stream;
      this.onDetails = handlers.onDetails;
      this.element = clone("card-template");
      this.element.dataset.requestId = stream.requestId;
      this.element.streamCard = this;
      part(this.element, "question").id = `stream-${stream.requestId}`;
      this.element.setAttribute("aria-labelledby", `stream-${stream.requestId}`);
      this.#actions = new CardActions(this, handlers.onCancel);
      this.#showHeading();
    }

    /** Whether somebody is at it: then it stays where it is. */
    get isHeld() {
      return this.hasFocus || this.#selects() || this.element.matches(":hover") || this.element.querySelector("details[open]") !== null;
    }

    get hasFocus() {
      return this.element.contains(document.activeElement);
    }

    setNear(isNear) {
      if (!isNear && this.isHeld) return;
      this.isNear = isNear;
      if (isNear && !this.#body) this.#fill();
      else if (!isNear && this.#body) this.#empty();
    }

    /** Called with each frame while it is near. Returns whether there is more to reveal. */
    drawText(now, isSmooth) {
      const { stream } = this;
      const position = isSmooth ? stream.reveal.positionAt(now) : stream.tail.length;
      this.#text.show(stream.tail, stream.epoch, position, () => this.#selects());
      return position < stream.tail.length;
    }

    /** All but the text, a few times a second. */
    drawFacts(now, serverNow) {
      const { stream } = this;
      if (this.#version !== stream.version) {
        this.#version = stream.version;
        this.#showHeading();
        if (this.#body) this.#showState();
      }
      if (!this.#body) return;
      this.#showFigures(now, serverNow);
      this.#showExtras(serverNow);
    }

    #fill() {
      const body = clone("card-body-template");
      this.#body = Object.fromEntries([...body.querySelectorAll("[data-part]")].map((element) => [element.dataset.part, element]));
      this.element.append(...body.childNodes);
      this.#text = new LiveText(this.#body.text);
      this.#thoughts = new LiveText(this.#body.thoughts);
      this.#waterfall = new Waterfall(this.#body.phases);
      this.#version = this.#shownTools = null;
      this.#actions.setUp(this.#body);
      this.#body.details.addEventListener("toggle", ({ target }) => target.open && this.onDetails(this.stream));
    }

    #empty() {
      while (this.element.lastElementChild !== this.element.firstElementChild) this.element.lastElementChild.remove();
      this.#body = this.#text = this.#thoughts = this.#waterfall = null;
    }

    #showHeading() {
      const { question, status, requestId, isTakenOver, place, model, provider, mode } = this.stream;
      setText(part(this.element, "stream-model"), [model, provider, mode === "direct" && "direct"].filter(Boolean).join(" · "));
      this.element.dataset.status = status;
      setText(part(this.element, "stream-status"), WORDS[status] + (place ? `, place ${figures.count(place)}` : ""));
      setText(part(this.element, "question"), question ? shorten(question) : requestId);
      part(this.element, "taken-over").hidden = !isTakenOver;
    }

    #showState() {
      const { stream } = this;
      const { where, more, note, failure } = this.#body;
      showLabels(where, stream);
      more.href = pages.pageUrl("chat", {}, stream.sessionId);
      setText(failure, stream.error?.message ?? "");
      this.element.dataset.cut = String(stream.isCut);
      setText(note, noteOf(stream));
      failure.hidden = !stream.error;
      this.#actions.show(stream);
    }

    #showFigures(now, serverNow) {
      const { stream } = this;
      const { time, tokens, first, rate, gaps, more, note } = this.#body;
      const known = [figures.elapsedOf(stream, serverNow), figures.firstTokenOf(stream), figures.rateOf(stream, now)];
      const [elapsed, firstToken, perSecond] = known;
      showFigure(time, elapsed === null ? null : figures.duration(elapsed));
      showFigure(tokens, figures.tokensOf(stream) ? figures.count(figures.tokensOf(stream)) : null);
      showFigure(first, firstToken === null ? null : figures.duration(firstToken));
      showFigure(rate, perSecond === null ? null : perSecond.toFixed(perSecond < 10 ? 1 : 0));
      gaps.parentElement.parentElement.hidden = !drawGaps(gaps.firstElementChild, stream.pace.gaps);
      more.hidden = !stream.isCut;
      note.hidden = !note.textContent;
    }

    /** What is folded is filled when it is open. */
    #showExtras(serverNow) {
      const { stream } = this;
      const { thinking, tools, toolList, toolCount, details, phases, unknown } = this.#body;
      thinking.hidden = !stream.reasoning.length;
      if (thinking.open) this.#thoughts.show(stream.reasoning, stream.epoch, stream.reasoning.length, () => this.#selects());
      tools.hidden = !stream.tools.count;
      setText(toolCount, figures.count(stream.tools.count));
      const shown = `${stream.epoch}.${stream.tools.version}`;
      if (tools.open && this.#shownTools !== shown) {
        this.#shownTools = shown;
        showTools(toolList, stream.tools);
      }
      if (!details.open) return;
      const isKnown = this.#waterfall.show(stream, serverNow);
      phases.closest("table").hidden = !isKnown;
      unknown.hidden = isKnown;
      showMore(this.#body.facts, stream);
    }

    #selects() {
      const selection = getSelection();
      return !selection.isCollapsed && selection.containsNode(this.element, true);
    }
  }

  function noteOf({ isLagged, isActive, status, finishReason }) {
    if (isLagged) return isActive ? "Some text is left out: this page was too slow. It is fetched at the end." : "Some text is left out.";
    if (status === "completed" && FINISHES[finishReason]) return FINISHES[finishReason];
    return "";
  }

  function showFigure(figure, text) {
    figure.parentElement.hidden = text === null;
    if (text !== null) setText(figure, text);
  }

  function shorten(text) {
    const line = text.replace(/\s+/g, " ").trim();
    return line.length > QUESTION_CHARS ? `${line.slice(0, QUESTION_CHARS - 1)}…` : line;
  }

  Hopstream.Card = Card;
})();
