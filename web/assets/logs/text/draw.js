// A line's text as nodes: text nodes alone, in elements of ours. Nothing of it is ever read as HTML.
import { readSgr } from "./sgr.js";
import { unseen } from "./signs.js";

const TERMINAL = [
  [0, 0, 0], [205, 49, 49], [13, 140, 85], [190, 140, 10], [36, 114, 200], [160, 50, 160], [17, 130, 160], [220, 220, 220],
  [102, 102, 102], [241, 76, 76], [35, 209, 139], [245, 245, 67], [59, 142, 234], [214, 112, 214], [41, 184, 219], [255, 255, 255],
]; // for text on a background of its own; without one the theme's colours hold

/** Replaces what `parent` holds. `marks`: [[start, end]] of the plain text, to be highlighted. */
export function drawText(parent, text, marks = []) {
  const { plain, spans } = readSgr(text);
  parent.replaceChildren(...pieces(plain, spans, marks));
}

export function plainText(text) {
  return readSgr(text).plain;
}

function pieces(plain, spans, marks) {
  const signs = unseen(plain);
  if (!spans.length && !marks.length && !signs.length) return [plain];
  const cuts = new Set([0, plain.length]);
  for (const { start, end } of spans) cuts.add(start).add(end);
  for (const { start, end } of signs) cuts.add(start).add(end);
  for (const [start, end] of marks) cuts.add(start).add(end);
  const places = [...cuts].filter((cut) => cut <= plain.length).sort((one, other) => one - other);
  const styleAt = follower(spans, ({ start, end, style }) => [start, end, style]);
  const markAt = follower(marks, ([start, end]) => [start, end, true]);
  const signAt = follower(signs, ({ start, end, sign }) => [start, end, sign]);
  const nodes = [];
  for (let index = 0; index + 1 < places.length; index += 1) {
    const [start, end] = [places[index], places[index + 1]];
    nodes.push(piece(plain.slice(start, end), { style: styleAt(start), isMarked: markAt(start), sign: signAt(start) }));
  }
  return nodes;
}

/** What holds at a place, asked for from left to right. */
function follower(ranges, read) {
  let index = 0;
  return (place) => {
    while (index < ranges.length && read(ranges[index])[1] <= place) index += 1;
    if (index === ranges.length) return null;
    const [start, , value] = read(ranges[index]);
    return start <= place ? value : null;
  };
}

function piece(text, { style, isMarked, sign }) {
  if (!style && !isMarked && !sign) return document.createTextNode(text);
  const element = document.createElement(isMarked ? "mark" : "span");
  element.textContent = sign ?? text;
  if (sign) element.classList.add("sign");
  if (style) dress(element, style);
  return element;
}

function dress(element, style) {
  for (const flag of ["bold", "dim", "italic", "underline", "strike"]) if (style[flag]) element.classList.add(`sgr-${flag}`);
  let { fg = null, bg = null } = style;
  if (style.inverse) [fg, bg] = [bg ?? 0, fg ?? 7];
  if (bg !== null) return dressOn(element, fg, bg);
  if (fg === null) return;
  if (typeof fg === "number") element.classList.add(`sgr-${fg}`);
  else element.style.color = `color-mix(in oklab, ${css(fg)} 45%, var(--text))`; // whatever the theme, it can be read
}

/** Whoever chose a background has chosen it for the text's colour as well. */
function dressOn(element, fg, bg) {
  const back = typeof bg === "number" ? TERMINAL[bg] : bg;
  const front = fg === null ? null : typeof fg === "number" ? TERMINAL[fg] : fg;
  element.classList.add("sgr-back");
  element.style.backgroundColor = css(back);
  const isFit = front && Math.abs(brightness(front) - brightness(back)) > 70;
  element.style.color = isFit ? css(front) : brightness(back) > 128 ? "#000" : "#fff";
}

function brightness([red, green, blue]) {
  return 0.299 * red + 0.587 * green + 0.114 * blue;
}

function css(colour) {
  return `rgb(${colour.map(Math.round).join(" ")})`;
}
