// All of a line's text. Each of its lines is an element of its own, which the browser lays out when it is seen: one with
// 256 KB in a single paragraph would stop the page for seconds.
import { drawText } from "../text/draw.js";

const BLOCK_CHARS = 4_000;
const AT_ONCE = 400; // elements; the rest follow while somebody reads those

let drawing = 0; // what is left of an earlier one is not drawn any more

/** `marksIn(text)` tells what is to be highlighted. */
export function drawWhole(parent, text, marksIn) {
  drawing += 1;
  parent.replaceChildren();
  addBlocks(parent, blocksOf(text), marksIn, drawing);
}

function addBlocks(parent, blocks, marksIn, mine) {
  if (mine !== drawing) return;
  parent.append(...blocks.splice(0, AT_ONCE).map((block) => element(block, marksIn)));
  if (blocks.length) setTimeout(() => addBlocks(parent, blocks, marksIn, mine));
}

/** [text, isEnd]: whether a line of the text ends with it. */
function blocksOf(text) {
  const lines = text.split("\n");
  if (lines.length > 1 && lines.at(-1) === "") lines.pop();
  return lines.flatMap((line) => {
    if (line.length <= BLOCK_CHARS) return [[line, true]];
    const blocks = [];
    for (let start = 0; start < line.length; start += BLOCK_CHARS) blocks.push([line.slice(start, start + BLOCK_CHARS), start + BLOCK_CHARS >= line.length]);
    return blocks;
  });
}

function element([text, isEnd], marksIn) {
  const block = document.createElement("div");
  drawText(block, text.replace(/\r$/, ""), marksIn(text));
  if (!text) block.append("\n"); // an empty line has its height
  block.classList.toggle("goes-on", !isEnd);
  return block;
}
