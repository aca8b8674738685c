// A line as the page keeps it, and what is told between lines.
export const LEVELS = ["trace", "debug", "info", "warning", "error", "critical"];
export const BAD = new Set(["error", "critical"]);
const HEAD_CHARS = 4_096; // of a line's first line: what a row shows at most
const OVERHEAD_BYTES = 400; // of a line's objects beside its texts
const ID = /^(\d+)-(\d+)$/;

export function isId(text) {
  return ID.test(text);
}

/** The id before (-1) or after (1) an id, whether or not there is a line of it. */
export function neighbour(id, step) {
  const [, ms, number] = ID.exec(id);
  return `${ms}-${Math.max(0, Number(number) + step)}`;
}

/** Of the wire's JSON. Returns null for what is no line. */
export function readLine(wire) {
  const place = ID.exec(wire?.id);
  if (!place) return null;
  const message = String(wire.message ?? "");
  const fields = wire.fields !== null && typeof wire.fields === "object" ? wire.fields : {};
  const firstEnd = message.indexOf("\n");
  const head = firstEnd < 0 ? message : message.slice(0, firstEnd).replace(/\r$/, "");
  return {
    kind: "line",
    id: wire.id,
    ms: Number(place[1]),
    number: Number(place[2]),
    channel: String(wire.channel ?? ""),
    time: String(wire.time ?? ""),
    at: timeOf(wire, Number(place[1])),
    service: String(wire.service ?? ""),
    message,
    level: LEVELS.includes(wire.level) ? wire.level : null,
    fields,
    cut: Number(wire.cut) || 0,
    arrived: wire.arrived ? String(wire.arrived) : null,
    via: wire.via ? String(wire.via) : null,
    head: head.slice(0, HEAD_CHARS),
    isCutHere: head.length > HEAD_CHARS,
    more: firstEnd < 0 ? 0 : linesIn(message) - 1,
    size: OVERHEAD_BYTES + bytesOf(message) + bytesOf(JSON.stringify(fields)),
  };
}

/** What happened between two lines. `tone`: "info", "warn" or "bad". */
export function note(kind, text, tone) {
  return { kind, text, tone, at: Date.now(), size: OVERHEAD_BYTES };
}

/** Its own time, and where that cannot be true the one at which it came. */
function timeOf({ arrived, time }, ms) {
  const at = Date.parse(arrived ?? time);
  return Number.isNaN(at) ? ms : at;
}

/** A last line break ends the last line: it begins no other. */
function linesIn(text) {
  let count = text.endsWith("\n") ? 0 : 1;
  for (let place = text.indexOf("\n"); place >= 0; place = text.indexOf("\n", place + 1)) count += 1;
  return count;
}

/** Browsers keep a text with one byte for each character, or two as soon as one needs them. */
function bytesOf(text) {
  return /[^\u0000-\u00ff]/.test(text) ? text.length * 2 : text.length;
}
