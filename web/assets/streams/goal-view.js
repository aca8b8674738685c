// The page of a goal: its work items and their runs, each with its streams counted by status.
"use strict";

(() => {
  const { STATUSES, figures, pages } = Hopstream;
  const { byId, clone } = Hopstream.dom;
  const NONE = "";

  class GoalView {
    #goal;
    #list = byId("goal-parts");
    #rows = new Map(); // by work item and run

    constructor(goal) {
      this.#goal = goal;
      if (goal === null) return;
      byId("title").replaceChildren("Goal ", Object.assign(document.createElement("bdi"), { textContent: goal }));
      byId("goal-crumb").hidden = false;
      byId("lead").hidden = true;
    }

    show(streams) {
      if (this.#goal === null) return;
      const groups = groupsOf(streams);
      byId("goal-view").hidden = groups.length === 0;
      const keys = new Set(groups.map(({ key }) => key));
      for (const [key, row] of this.#rows) if (!keys.has(key)) this.#drop(key, row);
      groups.forEach((group, index) => {
        const row = this.#rows.get(group.key) ?? this.#add(group);
        if (this.#list.children[index] !== row) this.#list.insertBefore(row, this.#list.children[index] ?? null);
        showCounts(row, group.counts);
      });
    }

    #add({ key, workItem, run }) {
      const row = clone("goal-part-template");
      const [item, second] = row.querySelectorAll("a");
      fillLink(item, workItem, pages.goalUrl(this.#goal, { work_item: workItem }));
      fillLink(second, run, pages.goalUrl(this.#goal, { work_item: workItem, run }));
      this.#rows.set(key, row);
      return row;
    }

    #drop(key, row) {
      this.#rows.delete(key);
      row.remove();
    }
  }

  function fillLink(link, id, url) {
    if (id === NONE) return link.replaceWith("–");
    link.href = url;
    link.querySelector("bdi").textContent = id;
  }

  /** By work item, then by run; of each the one with the newest stream first. */
  function groupsOf(streams) {
    const groups = new Map();
    const newest = new Map(); // by work item
    for (const { workItemId, runId, status, createdAt } of streams) {
      if (!workItemId && !runId) continue;
      const workItem = workItemId ?? NONE;
      const run = runId ?? NONE;
      const key = JSON.stringify([workItem, run]);
      const group = groups.get(key) ?? { key, workItem, run, counts: {}, newest: 0 };
      group.counts[status] = (group.counts[status] ?? 0) + 1;
      group.newest = Math.max(group.newest, createdAt);
      groups.set(key, group);
      newest.set(workItem, Math.max(newest.get(workItem) ?? 0, createdAt));
    }
    const isOther = (a, b) => a.workItem !== b.workItem && (newest.get(b.workItem) - newest.get(a.workItem) || a.workItem.localeCompare(b.workItem));
    return [...groups.values()].sort((a, b) => isOther(a, b) || b.newest - a.newest);
  }

  function showCounts(row, counts) {
    for (const status of STATUSES) {
      const cell = row.querySelector(`[data-status="${status}"]`);
      const text = counts[status] ? figures.count(counts[status]) : "–";
      if (cell.textContent !== text) cell.textContent = text;
    }
  }

  Hopstream.GoalView = GoalView;
})();
