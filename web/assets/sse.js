// Server-Sent Events from a fetch body (WHATWG HTML 9.2). EventSource would hide the status of a refused stream and
// cannot POST, and it reconnects by itself where we want to say when and from which id.
"use strict";

(() => {
  /** Yields {id, data} for each event, `data` parsed from JSON; `onBytes` is called for whatever arrives, pings too. */
  async function* readEvents(body, onBytes) {
    const reader = body.getReader();
    const decoder = new TextDecoder();
    const parser = new EventParser();
    try {
      while (true) {
        const { done, value } = await reader.read();
        if (done) return; // an event without its closing blank line is incomplete: the standard drops it
        onBytes();
        yield* parser.push(decoder.decode(value, { stream: true }));
      }
    } finally {
      reader.cancel().catch(() => {}); // it may have failed already, and then says so again
    }
  }

  class EventParser {
    #rest = "";
    #id = null;
    #data = [];

    *push(text) {
      const lines = (this.#rest + text).split(/\r\n|\n|\r(?!$)/);
      this.#rest = lines.pop();
      for (const line of lines) {
        if (line !== "") this.#field(line);
        else if (this.#data.length) yield this.#event();
      }
    }

    #field(line) {
      const colon = line.indexOf(":");
      const name = colon < 0 ? line : line.slice(0, colon);
      const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
      if (name === "data") this.#data.push(value);
      else if (name === "id") this.#id = value;
    }

    /** The id belongs to this event alone: one without an id must not look as if it had a place on the tape. */
    #event() {
      const event = { id: this.#id, data: JSON.parse(this.#data.join("\n")) };
      this.#id = null;
      this.#data = [];
      return event;
    }
  }

  Hopstream.readEvents = readEvents;
})();
