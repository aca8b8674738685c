// Small helpers that every view shares.
"use strict";

(() => {
  const ANNOUNCED_CHARS = 1200; // longer would hold a screen reader's user for minutes
  const COPIED_MS = 1600;
  const MINUTE_MS = 60_000;
  const HOUR_MS = 3_600_000;

  const byId = (id) => document.getElementById(id);

  /** A copy of a template's only element. */
  function clone(id) {
    return byId(id).content.firstElementChild.cloneNode(true);
  }

  /** The element of that test id below `parent`. */
  function part(parent, testId) {
    return parent.querySelector(`[data-testid="${testId}"]`);
  }

  /** A text as HTML that shows it. */
  function escape(text) {
    return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
  }

  /** Touches nothing where it is shown already: what is selected stays so, and nobody is told again. */
  function setText(element, text) {
    if (element.textContent !== text) element.textContent = text;
  }

  /** "320 ms", "4.2 s", "34 s", "2 min 05 s", "1 h 02 min". */
  function duration(ms) {
    const two = (number) => String(number).padStart(2, "0");
    if (ms < 1_000) return `${Math.round(ms)} ms`;
    if (ms < 10_000) return `${(ms / 1_000).toFixed(1)} s`;
    if (ms < MINUTE_MS) return `${Math.floor(ms / 1_000)} s`;
    if (ms < HOUR_MS) return `${Math.floor(ms / MINUTE_MS)} min ${two(Math.floor((ms % MINUTE_MS) / 1_000))} s`;
    return `${Math.floor(ms / HOUR_MS)} h ${two(Math.floor((ms % HOUR_MS) / MINUTE_MS))} min`;
  }

  /** An error's text as a sentence. */
  function asSentence(text) {
    const ended = /[.!?…]$/.test(text) ? text : `${text}.`;
    return ended.charAt(0).toUpperCase() + ended.slice(1);
  }

  /** Screen readers say it, once. */
  function announce(text) {
    const short = text.length > ANNOUNCED_CHARS ? `${text.slice(0, ANNOUNCED_CHARS)} … The rest is on the page.` : text;
    const sentence = document.createElement("p");
    sentence.textContent = short;
    byId("announcer").replaceChildren(sentence);
  }

  /** Copies and shows so on the button. */
  async function copy(text, button) {
    if (!(await writeClipboard(text))) return announce("The browser did not allow copying.");
    button.dataset.copied = "";
    announce("Copied");
    setTimeout(() => delete button.dataset.copied, COPIED_MS);
  }

  async function writeClipboard(text) {
    try {
      await navigator.clipboard.writeText(text);
      return true;
    } catch {
      return copyBySelection(text); // plain http other than localhost has no clipboard
    }
  }

  function copyBySelection(text) {
    const focused = document.activeElement;
    const field = document.createElement("textarea");
    field.value = text;
    field.className = "sr-only";
    document.body.append(field);
    field.select();
    const copied = document.execCommand("copy");
    field.remove();
    focused?.focus();
    return copied;
  }

  /** `/` leads to that field, from wherever nobody writes. */
  function focusBySlash(field) {
    document.addEventListener("keydown", (event) => {
      const isMeant = event.key === "/" && !event.isComposing && !event.ctrlKey && !event.metaKey && !event.altKey;
      const isWriting = event.target.closest("input, textarea, select, [contenteditable]");
      if (!isMeant || isWriting || document.querySelector("dialog[open]")) return;
      event.preventDefault();
      field.focus();
      field.select();
    });
  }

  /** Shows the time; with the day where that is not today. */
  function stamp(element, iso) {
    const date = new Date(iso);
    const isToday = date.toDateString() === new Date().toDateString();
    const day = isToday ? {} : { day: "numeric", month: "short" };
    element.dateTime = date.toISOString();
    element.title = date.toLocaleString();
    element.textContent = date.toLocaleString([], { ...day, hour: "2-digit", minute: "2-digit" });
  }

  // By the focus alone: the pages read their address, where the link would put what it leads to.
  for (const link of document.querySelectorAll(".skip")) {
    link.addEventListener("click", (event) => {
      event.preventDefault();
      document.querySelector(link.hash).focus();
    });
  }

  Hopstream.dom = { byId, clone, part, escape, setText, duration, asSentence, announce, copy, focusBySlash, stamp };
})();
