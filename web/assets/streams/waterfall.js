// Where a turn's time went: a table with a bar in each row.
"use strict";

(() => {
  const { figures } = Hopstream;

  // Each phase ends where the next known one begins.
  const STEPS = [
    { time: "claimed", name: "Queue", about: "until a worker took it" },
    { time: "asked", name: "Claim", about: "until the model was asked" },
    { time: "first", name: "First token", about: "until the model began" },
    { time: "finished", name: "Streaming", about: "until the last token" },
  ];

  /** [{name, about, from, ms}], `from` in ms after the question. What is not known is left out, as is what would be
   * negative: the clocks of two machines do not agree then. */
  function phasesOf({ times, firstSeenAt, isActive }, serverNow) {
    const known = isActive && times.first ? { ...times, finished: serverNow } : times;
    const asked = known.queued ?? known.started;
    const phases = [];
    let before = asked;
    for (const { time, ...phase } of STEPS) {
      const at = known[time];
      if (!at || !before) continue;
      if (at >= before) phases.push({ ...phase, from: before - asked, ms: at - before });
      if (time === "first" && firstSeenAt >= at) {
        phases.push({ name: "On its way", about: "first token: through RabbitMQ and API to this page", from: at - asked, ms: firstSeenAt - at });
      }
      before = at;
    }
    return phases;
  }

  class Waterfall {
    #body;
    #rows = new Map(); // by phase

    constructor(body) {
      this.#body = body;
    }

    show(stream, serverNow) {
      const phases = phasesOf(stream, serverNow);
      const total = Math.max(1, ...phases.map(({ from, ms }) => from + ms));
      for (const [name, row] of this.#rows) if (!phases.some((phase) => phase.name === name)) this.#drop(name, row);
      phases.forEach((phase, index) => this.#showPhase(phase, index, total));
      return phases.length > 0;
    }

    #showPhase({ name, about, from, ms }, index, total) {
      const row = this.#rows.get(name) ?? this.#add(name, about);
      if (this.#body.children[index] !== row) this.#body.insertBefore(row, this.#body.children[index] ?? null);
      const [, value, track] = row.children;
      value.textContent = figures.duration(ms);
      const bar = track.firstElementChild;
      bar.style.marginInlineStart = `${(from / total) * 100}%`;
      bar.style.width = `${(ms / total) * 100}%`;
    }

    #add(name, about) {
      const row = document.createElement("tr");
      const head = document.createElement("th");
      head.scope = "row";
      head.textContent = name;
      head.title = about;
      const bar = document.createElement("span");
      bar.className = "bar";
      const track = document.createElement("td");
      track.className = "track";
      track.ariaHidden = "true";
      track.append(bar);
      row.append(head, document.createElement("td"), track);
      this.#rows.set(name, row);
      return row;
    }

    #drop(name, row) {
      this.#rows.delete(name);
      row.remove();
    }
  }

  Object.assign(Hopstream, { Waterfall, phasesOf });
})();
