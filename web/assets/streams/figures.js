// Figures in words: times, counts, rates.
"use strict";

(() => {
  const MINUTE_MS = 60_000;
  const HOUR_MS = 3_600_000;
  const two = (number) => String(number).padStart(2, "0");

  /** "320 ms", "4.2 s", "34 s", "2 min 05 s", "1 h 02 min". */
  function duration(ms) {
    if (ms < 1_000) return `${Math.round(ms)} ms`;
    if (ms < 10_000) return `${(ms / 1_000).toFixed(1)} s`;
    if (ms < MINUTE_MS) return `${Math.floor(ms / 1_000)} s`;
    if (ms < HOUR_MS) return `${Math.floor(ms / MINUTE_MS)} min ${two(Math.floor((ms % MINUTE_MS) / 1_000))} s`;
    return `${Math.floor(ms / HOUR_MS)} h ${two(Math.floor((ms % HOUR_MS) / MINUTE_MS))} min`;
  }

  const count = (number) => number.toLocaleString();

  /** Tokens that were written: the service's word, or as many as came. */
  const tokensOf = ({ usage, tokens }) => usage?.output ?? tokens;

  /** From the question to the first token, in ms; null where that is not known. */
  function firstTokenOf({ times: { queued, started, first } }) {
    const asked = queued ?? started;
    return first && asked && first >= asked ? first - asked : null;
  }

  /** How long it waits, runs or has run, in ms. */
  function elapsedOf({ status, times, createdAt, isActive }, serverNow) {
    const begun = status === "queued" ? times.queued : (times.started ?? times.queued);
    const end = isActive ? serverNow : times.finished;
    return end === undefined ? null : Math.max(0, end - (begun ?? createdAt));
  }

  /** Tokens per second: of late while it streams, over all of it afterwards; null where that is not known. */
  function rateOf(stream, now) {
    if (stream.isActive) return stream.pace.rateAt(now);
    const { first, finished } = stream.times;
    const tokens = tokensOf(stream);
    return tokens > 1 && finished > first ? (tokens / (finished - first)) * 1_000 : null;
  }

  Hopstream.figures = { duration, count, tokensOf, firstTokenOf, elapsedOf, rateOf };
})();
