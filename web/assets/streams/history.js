// What the store knows of streams: the recent ones, older ones, and what became of those that ended out of sight.
"use strict";

(() => {
  const PAGE_TURNS = 50;
  const TEXT_CHARS = 2_000;
  const SETTLE_MS = 2_500; // so long after `ready` the connection has told all that runs
  const AGAIN_MS = 10_000; // what neither it nor the store knows to be over
  const AT_ONCE = 4;
  const NAMES_MS = 4_000; // between two looks for the questions of new streams

  class History {
    #api;
    #streams;
    #asked = null; // the filter that `#next` goes on with
    #next = null;
    #settling = null;
    #named = -Infinity;
    problem = null;
    isLoading = false;
    isLoaded = false;

    /** `onChange` is called when there is something new. */
    constructor(api, streams, onChange) {
      this.#api = api;
      this.#streams = streams;
      this.onChange = onChange;
    }

    get hasOlder() {
      return this.#next !== null;
    }

    /** The newest that match, anew. */
    async load(filter) {
      this.#asked = filter;
      this.#next = null;
      await this.#page(filter, null);
    }

    async older() {
      if (this.#next !== null && !this.isLoading) await this.#page(this.#asked, this.#next);
    }

    /** The connection is ready: whoever it does not tell of has ended. */
    reconcile() {
      clearTimeout(this.#settling);
      this.#settling = setTimeout(() => this.#settle(), SETTLE_MS);
    }

    /** Events do not tell the question: it is looked up now and then, among the newest turns and then for some alone. */
    async name(streams) {
      const isNameless = ({ hasRow }) => !hasRow;
      if (performance.now() - this.#named < NAMES_MS || this.isLoading || !streams.some(isNameless)) return;
      this.#named = performance.now();
      if (!(await this.#ask({ ...this.#asked, status: null }))) return;
      for (const stream of streams.filter(isNameless).slice(0, AT_ONCE)) {
        await this.refetch(stream);
        stream.hasRow = true;
      }
    }

    /** One turn, with its times and its text as they are stored. */
    async refetch({ sessionId }) {
      await this.#ask({ session_id: sessionId });
    }

    async #settle() {
      const untold = this.#streams.untold;
      const sessions = [...new Set(untold.map(({ sessionId }) => sessionId))];
      while (sessions.length) {
        await Promise.all(sessions.splice(0, AT_ONCE).map((id) => this.#find(id)));
      }
      if (this.#streams.untold.length) this.#settling = setTimeout(() => this.#settle(), AGAIN_MS);
    }

    /** What became of a session; one that was deleted is gone. */
    async #find(sessionId) {
      const answer = await this.#ask({ session_id: sessionId });
      if (answer?.turns.length === 0) this.#streams.forget(sessionId);
    }

    async #page(filter, before) {
      this.isLoading = true;
      this.onChange();
      const answer = await this.#ask({ ...filter, before });
      this.isLoading = false;
      if (answer && filter === this.#asked) {
        this.#next = answer.next ?? null;
        this.isLoaded = true;
      }
      this.onChange();
    }

    async #ask(query) {
      try {
        const answer = await this.#api.turns({ ...query, limit: PAGE_TURNS, text_chars: TEXT_CHARS });
        this.#streams.merge(answer.turns, TEXT_CHARS);
        this.problem = null;
        this.onChange();
        return answer;
      } catch (error) {
        this.problem = error;
        this.onChange();
        return null;
      }
    }
  }

  Hopstream.History = History;
})();
