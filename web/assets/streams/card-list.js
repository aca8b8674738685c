// The cards in their order: streaming, waiting, ended, each newest first. Nobody's card moves while somebody is at it.
"use strict";

(() => {
  const { Card } = Hopstream;
  const NEAR = "400px 0px"; // cards are made before they come into sight
  const SETTLE_MS = 3_000; // what ends stays in sight for a moment
  const RANKS = { streaming: 0, queued: 1 };
  const ENDED = 2;
  const reduced = matchMedia("(prefers-reduced-motion: reduce)");

  class CardList {
    #element;
    #headings; // of what runs and of what has ended
    #handlers;
    #cards = new Map(); // by request id
    #endedAt = new Map(); // by request id: when it was first seen to be over, having run in sight
    #near = new Set();
    #sight = new IntersectionObserver((entries) => this.#onSight(entries), { rootMargin: NEAR });

    constructor(element, headings, handlers) {
      this.#element = element;
      this.#headings = headings;
      this.#handlers = handlers;
      element.addEventListener("keydown", (event) => this.#onKeyDown(event));
      addEventListener("beforeprint", () => this.#showAll());
      addEventListener("afterprint", () => this.#cards.forEach(({ element }) => this.#sight.observe(element)));
    }

    /** Shows these and no others. */
    arrange(streams, now) {
      const wanted = new Set(streams.map(({ requestId }) => requestId));
      for (const [id, card] of this.#cards) if (!wanted.has(id)) this.#drop(id, card);
      const ranked = streams.map((stream) => ({ stream, rank: this.#rank(stream, now) }));
      ranked.sort((a, b) => a.rank - b.rank || b.stream.createdAt - a.stream.createdAt);
      const running = ranked.filter(({ rank }) => rank !== ENDED).length;
      const elements = ranked.map(({ stream, rank }) => this.#card(stream, rank).element);
      this.#headings.running.hidden = running === 0;
      this.#headings.ended.hidden = running === ranked.length;
      this.#place([this.#headings.running, ...elements.slice(0, running), this.#headings.ended, ...elements.slice(running)]);
    }

    /** Returns whether a next frame has more to show. */
    drawText(now) {
      const isSmooth = !reduced.matches;
      let hasMore = false;
      for (const card of this.#near) hasMore = card.drawText(now, isSmooth) || hasMore;
      return hasMore;
    }

    drawFacts(now, serverNow) {
      for (const card of this.#cards.values()) card.drawFacts(now, serverNow);
    }

    /** Something has ended and is to take its place among what has. */
    get isSettling() {
      return [...this.#endedAt.values()].some((endedAt) => endedAt !== null);
    }

    /** The streams in sight. */
    get near() {
      return [...this.#near].map(({ stream }) => stream);
    }

    #rank(stream, now) {
      const { requestId, status, isActive } = stream;
      if (isActive) {
        this.#endedAt.set(requestId, null);
        return RANKS[status];
      }
      if (!this.#endedAt.has(requestId)) return ENDED; // it never ran in sight
      const endedAt = this.#endedAt.get(requestId) ?? now;
      this.#endedAt.set(requestId, endedAt);
      if (now - endedAt < SETTLE_MS || this.#cards.get(requestId)?.isHeld) return RANKS.streaming;
      this.#endedAt.delete(requestId);
      return ENDED;
    }

    #card(stream, rank) {
      let card = this.#cards.get(stream.requestId);
      if (!card) {
        card = new Card(stream, this.#handlers);
        this.#cards.set(stream.requestId, card);
        this.#sight.observe(card.element);
      }
      const place = rank === ENDED ? "ended" : "running";
      if (card.element.dataset.place !== place) card.element.dataset.place = place;
      return card;
    }

    /** From the end, each before the next. The card with the focus is never taken out: the others move around it. */
    #place(elements) {
      const focused = elements.find((element) => element.contains(document.activeElement));
      let next = null;
      for (const element of elements.reverse()) {
        if (element === focused) while (element.nextSibling !== next) this.#element.insertBefore(element.nextSibling, element);
        else if (element.nextSibling !== next || element.parentNode !== this.#element) this.#element.insertBefore(element, next);
        next = element;
      }
    }

    #drop(id, card) {
      if (card.hasFocus) this.#passFocus(card.element);
      this.#sight.unobserve(card.element);
      this.#near.delete(card);
      this.#cards.delete(id);
      this.#endedAt.delete(id);
      card.element.remove();
    }

    #showAll() {
      this.#sight.disconnect();
      this.#cards.forEach((card) => this.#setNear(card, true));
      this.#handlers.onSight();
    }

    #passFocus(element) {
      const neighbour = this.#neighbour(element, 1);
      if (neighbour) neighbour.focus({ preventScroll: true });
      else this.#handlers.onFocusLost();
    }

    #onSight(entries) {
      for (const { target, isIntersecting } of entries) this.#setNear(target.streamCard, isIntersecting);
      this.#handlers.onSight();
    }

    #setNear(card, isNear) {
      card.setNear(isNear);
      if (card.isNear) this.#near.add(card);
      else this.#near.delete(card);
    }

    /** j and k go from card to card. */
    #onKeyDown(event) {
      const step = { j: 1, k: -1 }[event.key];
      const card = event.target.closest("article");
      if (!step || !card || event.ctrlKey || event.metaKey || event.altKey) return;
      event.preventDefault();
      this.#neighbour(card, step)?.focus();
    }

    #neighbour(element, step) {
      const articles = [...this.#element.querySelectorAll("article")];
      const index = articles.indexOf(element);
      return articles[index + step] ?? articles[index - step];
    }
  }

  Hopstream.CardList = CardList;
})();
