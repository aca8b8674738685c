// Figures in words: times, counts, rates.
"use strict";

(() => {
  const { duration } = Hopstream.dom;
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
