// Colours of a line (SGR: ECMA-48, 8.3.117) as spans of plain text; every other escape sequence is left out.
const SEQUENCE = /\x1b(?:\[([0-?]*)[ -/]*([@-~])|[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)|[ -/]+[0-~]|[0-Z\\^-~])/g;
const NONE = Object.freeze({});
const FLAGS = { 1: "bold", 2: "dim", 3: "italic", 4: "underline", 7: "inverse", 8: "plain", 9: "strike" };
const ENDS = { 22: ["bold", "dim"], 23: ["italic"], 24: ["underline"], 27: ["inverse"], 29: ["strike"], 39: ["fg"], 49: ["bg"] };
const STEPS = [0, 95, 135, 175, 215, 255]; // of xterm's cube

/**
 * The text without its sequences, and [{start, end, style}] of what has a style: {fg, bg, bold, dim, italic, underline,
 * inverse, strike}; a colour is a number (0 to 15) or [red, green, blue]. It begins unstyled: nothing bleeds from the
 * line before. A sequence that never ends is no sequence, so that it hides nothing.
 */
export function readSgr(text) {
  if (!text.includes("\x1b")) return { plain: text, spans: [] };
  const spans = [];
  let plain = "";
  let style = NONE;
  let from = 0;
  const take = (until) => {
    if (until > from && style !== NONE) spans.push({ start: plain.length, end: plain.length + until - from, style });
    plain += text.slice(from, until);
  };
  for (const found of text.matchAll(SEQUENCE)) {
    take(found.index);
    from = found.index + found[0].length;
    if (found[2] === "m" && !/[<-?]/.test(found[1])) style = restyle(style, found[1]);
  }
  take(text.length);
  return { plain, spans };
}

function restyle(style, parameters) {
  const next = { ...style };
  const codes = parameters.split(";");
  while (codes.length) {
    const [code, ...parts] = codes.shift().split(":").map(Number); // an empty one is 0
    if (code === 0) clear(next, Object.keys(next));
    else if (code === 38 || code === 48) setColour(next, code === 38 ? "fg" : "bg", parts.length ? fromParts(parts) : fromCodes(codes));
    else if (FLAGS[code]) next[FLAGS[code]] = !(code === 4 && parts[0] === 0);
    else if (ENDS[code]) clear(next, ENDS[code]);
    else if (code >= 30 && code <= 37) next.fg = code - 30;
    else if (code >= 40 && code <= 47) next.bg = code - 40;
    else if (code >= 90 && code <= 97) next.fg = code - 82;
    else if (code >= 100 && code <= 107) next.bg = code - 92;
  }
  return Object.keys(next).length ? next : NONE;
}

function clear(style, names) {
  for (const name of names) delete style[name];
}

function setColour(style, name, colour) {
  if (colour !== null) style[name] = colour;
}

/** 38;5;n and 38;2;r;g;b: takes its numbers away from those that follow. */
function fromCodes(codes) {
  const kind = Number(codes.shift());
  if (kind === 5) return indexed(Number(codes.shift()));
  return kind === 2 ? rgb(codes.splice(0, 3).map(Number)) : null;
}

/** 38:5:n, 38:2:r:g:b and 38:2::r:g:b. */
function fromParts([kind, ...parts]) {
  if (kind === 5) return indexed(parts[0]);
  return kind === 2 ? rgb(parts.slice(-3)) : null;
}

function indexed(number) {
  if (!(number >= 0 && number <= 255)) return null;
  if (number < 16) return number;
  if (number >= 232) return Array(3).fill(8 + (number - 232) * 10);
  const cube = number - 16;
  return [STEPS[Math.floor(cube / 36)], STEPS[Math.floor(cube / 6) % 6], STEPS[cube % 6]];
}

function rgb(colour) {
  return colour.length === 3 && colour.every((part) => part >= 0 && part <= 255) ? colour : null;
}
