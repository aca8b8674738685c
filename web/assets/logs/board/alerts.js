// Alerts that fire, at the top.
const { byId, duration } = Hopstream.dom;
const TICK_MS = 10_000;

export class Alerts {
  #firing = new Map(); // name and service → alert
  #element = byId("alerts");

  /** `onNews(alert, isFiring)` for each that begins or ends; `onService(service)` when somebody wants its lines. */
  constructor({ onNews, onService }) {
    Object.assign(this, { onNews, onService });
    setInterval(() => this.#firing.size && this.#draw(), TICK_MS);
  }

  /** Those that fire now. What fired already when the page was opened is no news. */
  show(firing, { isFirst = false } = {}) {
    const now = new Map(firing.map((alert) => [`${alert.name}\n${alert.service ?? ""}`, alert]));
    if (!isFirst) {
      for (const [key, alert] of now) if (!this.#firing.has(key)) this.onNews(alert, true);
      for (const [key, alert] of this.#firing) if (!now.has(key)) this.onNews(alert, false);
    }
    this.#firing = now;
    this.#draw();
  }

  #draw() {
    this.#element.hidden = this.#firing.size === 0;
    this.#element.replaceChildren(...[...this.#firing.values()].map((alert) => this.#item(alert)));
  }

  #item({ name, service, since, text }) {
    const item = document.createElement("li");
    item.dataset.testid = "alert";
    item.append(icon("icon-bell"), element("strong", name), element("span", text ?? ""));
    if (service) {
      const button = element("button", service);
      button.type = "button";
      button.className = "text-button";
      button.title = "The lines of this service";
      button.addEventListener("click", () => this.onService(service));
      item.append(button);
    }
    const ms = Date.now() - Date.parse(since);
    if (ms >= 0) item.append(element("small", `for ${duration(ms)}`));
    return item;
  }
}

function element(name, text) {
  const made = document.createElement(name);
  made.append(Object.assign(document.createElement("bdi"), { textContent: text }));
  return made;
}

function icon(id) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
  svg.ariaHidden = "true";
  use.setAttribute("href", `#${id}`);
  svg.append(use);
  return svg;
}
