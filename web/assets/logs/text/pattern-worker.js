// Where a regular expression matches in some texts. A classic worker: it is ended from outside when it takes too long.
"use strict";

let pattern = null;
let most = 0;

onmessage = ({ data }) => {
  if (!Array.isArray(data)) {
    pattern = new RegExp(data.source, data.flags);
    most = data.marks;
    return;
  }
  postMessage(data.map(marksIn));
};

function marksIn(text) {
  const marks = [];
  for (const found of text.matchAll(pattern)) {
    if (found[0]) marks.push([found.index, found.index + found[0].length]);
    if (marks.length === most) break;
  }
  return marks;
}
