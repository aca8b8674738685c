// What is told between lines: what is missing, and what became of Redis. Alerts and losses are lines of the gateway.
import { note } from "./line.js";

const number = new Intl.NumberFormat("en");
const REDIS = { up: "Redis is up again", away: "Redis is away: no line can come until it is back", frozen: "Redis does not answer: no line can come until it does" };

/** `lines` is null where nobody can tell. */
export function gapNote({ lines, why }) {
  const words = lines === null || lines === undefined ? "Lines are missing here" : `${count(lines)} missing here`;
  return note("gap", why ? `${words}: ${why}` : words, "bad");
}

/** They come each second: one after another they are one note. */
export function skippedNote({ lines }) {
  return { ...note("skipped", skippedWords(lines), "warn"), lines, addTo: (earlier) => addSkipped(earlier, lines) };
}

function addSkipped(earlier, lines) {
  earlier.lines += lines;
  earlier.text = skippedWords(earlier.lines);
  earlier.version = (earlier.version ?? 0) + 1;
  return true;
}

function skippedWords(lines) {
  return `${count(lines)} skipped here: more came than this page shows. Filters bring the number down; a download has them`;
}

export function redisNote({ redis }) {
  return note("redis", REDIS[redis] ?? `Redis: ${redis}`, redis === "up" ? "info" : "bad");
}

export function archiverNote(hasArchiver) {
  return note("archiver", hasArchiver ? "The archiver is back" : "No archiver: what others publish now is not kept", hasArchiver ? "info" : "warn");
}

function count(lines) {
  return `${number.format(lines)} ${lines === 1 ? "line is" : "lines are"}`;
}
