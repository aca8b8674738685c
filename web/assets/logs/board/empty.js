// What stands where no line is: why, and what to do about it.
const { byId, copy, duration } = Hopstream.dom;
const TEST = 'redis-cli publish logs "Test message"';
const COMPOSE_TEST = 'docker compose exec llm-streamer-redis redis-cli publish logs "Test message"';
const COLLECTORS = ["collector", "llm-streamer-collector"];
const AGAIN_MS = 5_000;

export class Empty {
  #element = byId("empty");
  #gateway;
  #shown = "";
  #collector = null; // its last line; undefined: none
  #askedAt = -Infinity;

  /** Handlers: onClear(), onKey(), onRetry(), onFurther(). */
  constructor(gateway, handlers) {
    this.#gateway = gateway;
    Object.assign(this, handlers);
    setInterval(() => this.#askForCollector(), AGAIN_MS);
  }

  /** `kind`: null where there are lines; "first", "no-match", "searching", "history", "redis", "gateway", "locked", "loading". */
  show(kind, facts) {
    const shown = JSON.stringify([kind, facts, this.#collector?.id ?? null]);
    if (shown === this.#shown) return;
    this.#shown = shown;
    this.kind = kind;
    this.facts = facts;
    this.#element.hidden = kind === null;
    this.#element.replaceChildren(...(kind === null ? [] : this.#content(kind, facts)));
    if (kind === "first") this.#askForCollector();
  }

  #content(kind, facts) {
    const { address, scannedTo } = facts;
    switch (kind) {
      case "loading":
        return [make("p", "Reading …")];
      case "locked":
        return [make("h2", "These logs need a key"), make("p", "One of LOG_KEYS of the gateway; an API key opens nothing here."), button("Enter a key", this.onKey)];
      case "gateway":
        return [make("h2", "The log gateway is away"), make("p", `Nothing answers at ${address}. This page tries again by itself.`), command("docker compose logs llm-streamer-gateway"), button("Try now", this.onRetry)];
      case "history":
        return [make("h2", "Earlier lines cannot be read"), make("p", `${facts.problem} New lines show here at once.`), button("Try again", this.onRetry)];
      case "redis":
        return [make("h2", "Redis is away"), make("p", "The gateway waits for it, and the lines go on by themselves. Does it answer?"), command("redis-cli ping"), make("p", "The gateway looks for it at REDIS_URL.")];
      case "searching":
        return [make("p", scannedTo ? `Searching, back to ${scannedTo} …` : "Searching …")];
      case "no-match":
        return [
          make("h2", "No line matches"),
          make("p", scannedTo ? `Searched back to ${scannedTo}. New lines that match show here at once.` : "New lines that match show here at once."),
          ...(scannedTo ? [button("Search further", this.onFurther)] : []),
          button("Clear the filters", this.onClear),
        ];
      default:
        return [make("h2", "No logs yet"), make("p", "Whatever anybody publishes on the channel “logs” of Redis shows here at once. Try it:"), command(TEST), make("p", "Or, where all of it runs in Compose:"), command(COMPOSE_TEST), this.#checks(facts)];
    }
  }

  /** The seed of most questions: which of the parts is missing. */
  #checks({ address, redis, archiver, hasKey }) {
    const list = make("ul");
    list.className = "checks";
    list.dataset.testid = "checks";
    const collector = this.#collector;
    const ago = collector && duration(Math.max(0, Date.now() - Date.parse(collector.time)));
    const items = [
      [true, "Gateway", `answers at ${address}${hasKey ? ", and takes your key" : ""}`],
      [redis === "up", "Redis", redis === "up" ? "is up" : "is away: is it running, and is REDIS_URL right?"],
      [archiver, "Archiver", archiver ? "keeps what others publish" : "none: what others publish now is not kept. It runs within a gateway"],
      [Boolean(collector), "Collector", collector ? `said ${ago} ago: ${collector.message.slice(0, 200)}` : "nothing heard of it. Does it run? docker compose logs llm-streamer-collector"],
    ];
    for (const [isFine, name, text] of items) {
      const item = make("li");
      item.dataset.fine = String(Boolean(isFine));
      item.append(make("span", isFine ? "✓" : "✗"), make("strong", name), make("bdi", text));
      item.firstChild.ariaLabel = isFine ? "fine" : "not fine";
      item.firstChild.role = "img";
      list.append(item);
    }
    return list;
  }

  async #askForCollector() {
    if (this.kind !== "first" || document.hidden || performance.now() - this.#askedAt < AGAIN_MS / 2) return;
    this.#askedAt = performance.now();
    try {
      const { lines } = await this.#gateway.history({ service: COLLECTORS, limit: 1 });
      this.#collector = lines.at(-1) ?? null;
      if (this.kind === "first") this.show("first", this.facts);
    } catch {
      // the banner says why
    }
  }
}

function command(text) {
  const element = make("div");
  const pre = make("pre", text);
  const copier = button("Copy", () => copy(text, copier));
  pre.tabIndex = 0;
  element.className = "example";
  copier.classList.add("copier");
  element.append(pre, copier);
  return element;
}

function button(words, act) {
  const element = make("button", words);
  element.type = "button";
  element.className = "button small";
  element.addEventListener("click", () => act());
  return element;
}

function make(name, text = "") {
  return Object.assign(document.createElement(name), { textContent: text });
}
