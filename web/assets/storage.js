// What the browser keeps. Where it keeps nothing (private windows, blocked site data), this page's memory stands in.
"use strict";
globalThis.Hopstream = {};

(() => {
  const PREFIX = "hopstream.";
  const memory = new Map(); // what could not be written

  /** Returns null where nothing is kept. */
  function read(key) {
    if (memory.has(key)) return memory.get(key); // newer than what the browser has
    try {
      return localStorage.getItem(PREFIX + key);
    } catch {
      return null; // blocked
    }
  }

  /** An empty or missing value forgets the key. */
  function write(key, value) {
    memory.delete(key);
    try {
      if (value) localStorage.setItem(PREFIX + key, value);
      else localStorage.removeItem(PREFIX + key);
    } catch {
      // blocked or full
      if (value) memory.set(key, value);
    }
  }

  /** Calls back when another tab changes a key that starts so. */
  function onChange(start, callback) {
    addEventListener("storage", (event) => {
      if (event.key === null || event.key.startsWith(PREFIX + start)) callback();
    });
  }

  Hopstream.storage = { read, write, onChange };
})();
