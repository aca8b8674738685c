// All streams that this page knows, by request id: fed by events and by the store's turns, bounded for a day's work.
"use strict";

(() => {
  const { Stream } = Hopstream;
  const KEPT_ENDED = 500;
  const SLACK = 50; // so that not every end means sorting

  class Streams {
    #byId = new Map();
    #connection = 0;
    #ended = 0;
    #offset = 0; // this page's clock less the server's, at most: the quickest frame of a connection tells
    #isOffsetOld = true;

    /** `onEnd(stream)` is called for what ends in sight of this page. */
    constructor(onEnd = () => {}) {
      this.onEnd = onEnd;
    }

    get all() {
      return [...this.#byId.values()];
    }

    get size() {
      return this.#byId.size;
    }

    get isFull() {
      return this.#ended >= KEPT_ENDED;
    }

    get(requestId) {
      return this.#byId.get(requestId);
    }

    /** This moment in the server's time, as well as it is known. */
    serverTime(now = Date.now()) {
      return now - this.#offset;
    }

    /** A new connection tells all that runs anew. */
    beginConnection() {
      this.#connection += 1;
      this.#isOffsetOld = true;
    }

    /** Running, as far as this page knows, but the connection has not told so. */
    get untold() {
      return this.all.filter((stream) => stream.isActive && !this.#isTold(stream));
    }

    apply({ event, data }) {
      if (event === "lagged") return data.requestIds.forEach((id) => this.get(id)?.lag());
      if (!data?.requestId) return; // an event of a later release
      const now = Date.now();
      this.#offset = Math.min(this.#isOffsetOld ? Infinity : this.#offset, now - data.timestamp);
      this.#isOffsetOld = false;
      const stream = this.#know(data.requestId);
      const wasActive = stream.isActive;
      stream.wasTold = this.#connection;
      stream.apply(event, data, performance.now(), this.serverTime(now));
      this.#count(stream, wasActive);
      if (wasActive && !stream.isActive) this.onEnd(stream);
    }

    /** `textChars`: how much of each text was asked for. */
    merge(rows, textChars) {
      for (const row of rows) {
        const stream = this.#know(`${row.session_id}.${row.turn}`);
        const wasActive = stream.isActive;
        stream.merge(row, { isTold: this.#isTold(stream), textChars });
        this.#count(stream, wasActive);
      }
    }

    /** A session that there is no more. */
    forget(sessionId) {
      for (const stream of this.all.filter((each) => each.sessionId === sessionId)) {
        this.#byId.delete(stream.requestId);
        if (!stream.isActive) this.#ended -= 1;
      }
    }

    /** Another key sees others. */
    clear() {
      this.#byId.clear();
      this.#ended = 0;
    }

    #isTold(stream) {
      return stream.wasTold === this.#connection;
    }

    #know(requestId) {
      let stream = this.#byId.get(requestId);
      if (!stream) this.#byId.set(requestId, (stream = new Stream(requestId, this.serverTime())));
      return stream;
    }

    #count(stream, wasActive) {
      if (stream.isActive === wasActive) return;
      this.#ended += wasActive ? 1 : -1;
      if (this.#ended > KEPT_ENDED + SLACK) this.#trim();
    }

    #trim() {
      const ended = this.all.filter((stream) => !stream.isActive).sort((a, b) => b.createdAt - a.createdAt);
      for (const stream of ended.slice(KEPT_ENDED)) this.#byId.delete(stream.requestId);
      this.#ended = Math.min(ended.length, KEPT_ENDED);
    }
  }

  Hopstream.Streams = Streams;
})();
