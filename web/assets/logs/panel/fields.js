// A record's fields: names and values as text, whatever they are.
import { drawText } from "../text/draw.js";

const MOST = 200;
const VALUE_CHARS = 20_000;

export function drawFields(list, fields) {
  const entries = Object.entries(fields);
  const rows = entries.slice(0, MOST).flatMap(([name, value]) => [cell("dt", name), cell("dd", told(value))]);
  if (entries.length > MOST) rows.push(cell("dt", "…"), cell("dd", `${entries.length - MOST} more; Copy JSON has them all.`));
  list.replaceChildren(...rows);
  list.hidden = rows.length === 0;
}

function told(value) {
  const text = typeof value === "string" ? value : JSON.stringify(value, null, 2);
  return text.length > VALUE_CHARS ? `${text.slice(0, VALUE_CHARS)} … ${text.length} characters; Copy JSON has them all.` : text;
}

function cell(name, text) {
  const element = document.createElement(name);
  const isolated = document.createElement("bdi");
  element.append(isolated);
  const lines = text.split("\n");
  lines.forEach((line, index) => {
    const part = document.createElement("span");
    drawText(part, line);
    isolated.append(part, index < lines.length - 1 ? "\n" : "");
  });
  return element;
}
