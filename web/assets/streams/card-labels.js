// What a stream is for, as links, and what else its details tell.
"use strict";

(() => {
  const { figures, pages } = Hopstream;

  function showLabels(list, { goalId, workItemId, runId }) {
    const labels = [
      ["Goal", goalId, goalId !== pages.goalInAddress() && goalId && pages.goalUrl(goalId)],
      ["Item", workItemId, workItemId && labelUrl(goalId, { work_item: workItemId })],
      ["Run", runId, runId && labelUrl(goalId, { run: runId })],
    ].filter(([, , url]) => url);
    const key = JSON.stringify(labels);
    list.hidden = !labels.length;
    if (list.dataset.key === key) return;
    list.dataset.key = key;
    list.replaceChildren(...labels.map(([name, id, url]) => chip(name, id, url)));
  }

  function labelUrl(goalId, query) {
    return goalId ? pages.goalUrl(goalId, query) : pages.pageUrl("streams", query);
  }

  function chip(name, id, url) {
    const item = document.createElement("li");
    const link = document.createElement("a");
    const text = document.createElement("bdi");
    link.className = "chip";
    link.href = url;
    text.textContent = id;
    link.append(`${name} `, text);
    item.append(link);
    return item;
  }

  /** What the store tells beside the times. */
  function showMore(list, { requestId, finishReason, usage, cost, metadata }) {
    const facts = [
      ["Request", requestId],
      ["Finish", finishReason],
      ["Tokens read", usage && figures.count(usage.input)],
      ["Cost", typeof cost === "number" && `$${cost.toPrecision(2)}`],
      ...Object.entries(metadata ?? {}),
    ].filter(([, value]) => value);
    const key = JSON.stringify(facts);
    if (list.dataset.key === key) return;
    list.dataset.key = key;
    list.replaceChildren(...facts.flatMap(([name, value]) => [element("dt", name), element("dd", value)]));
  }

  function element(tag, text) {
    const made = document.createElement(tag);
    made.textContent = text;
    return made;
  }

  Object.assign(Hopstream, { showLabels, showMore });
})();
