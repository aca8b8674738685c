// The list of sessions that this browser keeps, newest first. One list for each API: its ids mean nothing to another.
"use strict";

(() => {
  const { storage } = Hopstream;
  const KEPT = 200; // beyond that nobody scrolls, and localStorage is small
  const TITLE_CHARS = 80;
  const ID_PATTERN = /^[A-Za-z0-9_-]{1,128}$/;

  class SessionList {
    #key;

    constructor(apiBase) {
      this.#key = `sessions:${apiBase}`;
      this.storageKey = this.#key;
    }

    /** [{id, title, updatedAt}] */
    all() {
      try {
        const list = JSON.parse(storage.read(this.#key) ?? "[]");
        return list.filter((entry) => isSessionId(entry?.id)).map(clean);
      } catch {
        return []; // not ours
      }
    }

    put(id, title) {
      const others = this.all().filter((entry) => entry.id !== id);
      this.#write([{ id, title: shorten(title), updatedAt: Date.now() }, ...others]);
    }

    /** The title as the store has it. Opened by its link: list it, but leave the order of what is there. */
    know(id, title) {
      const list = this.all();
      const known = list.find((entry) => entry.id === id);
      if (!known) return this.put(id, title);
      known.title = shorten(title);
      this.#write(list);
    }

    remove(id) {
      this.#write(this.all().filter((entry) => entry.id !== id));
    }

    #write(list) {
      storage.write(this.#key, JSON.stringify(list.slice(0, KEPT)));
    }
  }

  function isSessionId(id) {
    return typeof id === "string" && ID_PATTERN.test(id);
  }

  function clean({ id, title, updatedAt }) {
    return { id, title: shorten(String(title ?? "")), updatedAt: Number(updatedAt) || 0 };
  }

  function shorten(title) {
    const line = title.replace(/\s+/g, " ").trim();
    return line.length > TITLE_CHARS ? `${line.slice(0, TITLE_CHARS - 1)}…` : line || "New chat";
  }

  /** crypto.randomUUID is missing on plain http. */
  function newSessionId() {
    const bytes = crypto.getRandomValues(new Uint8Array(16));
    return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  }

  /** The session that the page's address names (`#<session_id>`), or null. */
  function sessionInAddress() {
    const id = location.hash.slice(1);
    return isSessionId(id) ? id : null;
  }

  Object.assign(Hopstream, { SessionList, newSessionId, sessionInAddress, shortenTitle: shorten });
})();
