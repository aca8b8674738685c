// The page of logs: what feeds what, and when it is shown.
import { Alerts } from "./board/alerts.js";
import { Chart } from "./board/chart.js";
import { Connection } from "./board/connection.js";
import { Empty } from "./board/empty.js";
import { Rates } from "./board/rates.js";
import { StatusBar } from "./board/status-bar.js";
import { Totals } from "./board/totals.js";
import { setUpDownloads } from "./downloads.js";
import { FilterBar } from "./filter-bar.js";
import { Filters } from "./filters.js";
import { Gateway } from "./gateway.js";
import { KeyDialog } from "./key-dialog.js";
import { LineSource } from "./lines/source.js";
import { Store } from "./lines/store.js";
import { ListView } from "./list/view.js";
import { Narrator } from "./narrator.js";
import { Preferences } from "./preferences.js";
import { setUpKeys } from "./shortcuts.js";
import { exact } from "./text/times.js";
import { archiverNote, redisNote } from "./lines/told.js";

const { announce, asSentence, byId } = Hopstream.dom;
const GATEWAY = "llm-streamer-gateway"; // tells of lost lines by lines of its own
const FACTS_MS = 250; // bar and buttons; lines are drawn with each frame

class LogsPage {
  gateway = new Gateway();
  store = new Store();
  rates = new Rates();
  narrator = new Narrator();
  bar = new StatusBar();
  #hasAlerts = false;
  #asked = null; // the query that the lines are of

  constructor() {
    const { gateway, store } = this;
    this.filters = new Filters(() => this.#onFilters());
    this.filterBar = new FilterBar(this.filters);
    this.source = new LineSource(gateway, store, {
      onOldLines: (lines) => this.#onOldLines(lines),
      onLive: (line) => this.#onLive(line),
      onEvent: (name, data) => this.#onEvent(name, data),
      onState: (state) => this.#onState(state),
      onChange: () => this.view.list.request(),
    });
    this.view = new ListView(this.source, store, this.filters, { onFollow: () => this.follow(), onHold: () => this.#showFacts(), onOlderThan: () => this.#showOlder() });
    this.connection = new Connection(() => this.retry());
    this.keyDialog = new KeyDialog(gateway, () => this.#begin());
    this.alerts = new Alerts({
      onNews: (alert, isFiring) => this.#onAlert(alert, isFiring),
      onService: (service) => this.filters.set({ service: [service], at: "" }),
    });
    this.empty = new Empty(gateway, {
      onClear: () => this.filters.clear(),
      onKey: () => this.keyDialog.ask(),
      onRetry: () => (this.source.history.problem ? this.source.history.again() : this.retry()),
      onFurther: () => this.source.history.older({ isAsked: true }),
    });
    this.chart = new Chart(this.rates, (since, until) => this.#onTimeChosen(since, until));
    this.totals = new Totals(gateway);
    this.preferences = new Preferences(() => this.#onPreference());
  }

  start() {
    this.narrator.isAloud = () => this.preferences.is("aloud");
    setUpDownloads(this.gateway, this.filters, () => this.preferences.is("utc"));
    setUpKeys(this);
    byId("pause").addEventListener("click", () => this.togglePause());
    for (const dialog of document.querySelectorAll("dialog")) {
      dialog.querySelector("[data-close]").addEventListener("click", () => dialog.close());
      dialog.addEventListener("click", ({ target }) => target === dialog && dialog.close());
    }
    byId("open-settings").addEventListener("click", () => byId("settings").showModal());
    this.#onPreference();
    this.#begin();
    setInterval(() => this.#showFacts(), FACTS_MS);
    byId("main").removeAttribute("aria-busy");
  }

  togglePause() {
    if (this.view.list.held === "pause") this.follow();
    else this.view.list.hold("pause");
  }

  /** To the newest line, wherever one is. */
  follow() {
    const { hasNewer } = this.source.history;
    if (!hasNewer) this.#asked = JSON.stringify([this.filters.query, ""]); // the newest are here already
    this.filters.set({ at: "" });
    if (!hasNewer) this.view.follow();
  }

  retry() {
    if (this.source.feed.state === "locked") this.keyDialog.ask();
    else this.source.feed.retry();
  }

  /** Everything anew: the filters are others, or there is a key. */
  #begin() {
    const at = this.filters.get("at");
    this.#asked = this.#question;
    this.filterBar.complain("");
    this.filterBar.show();
    this.rates.clear();
    this.source.begin(this.filters.query, at);
    this.view.begin();
    this.#offerServices();
    this.#showFacts();
  }

  get #question() {
    return JSON.stringify([this.filters.query, this.filters.get("at")]);
  }

  #onFilters() {
    this.filterBar.show();
    this.view.look();
    if (this.#question !== this.#asked) this.#begin();
  }

  #onPreference() {
    const isUtc = this.preferences.is("utc");
    const wasHidden = byId("figures").hidden;
    this.filterBar.isUtc = isUtc;
    byId("figures").hidden = !this.preferences.is("figures");
    this.view.setPreferences({ isUtc, isWrapped: this.preferences.is("wrap") });
    this.filterBar.show();
    this.chart.setZone(isUtc);
    if (wasHidden) this.totals.refresh();
  }

  async #offerServices() {
    try {
      const { services, channels } = await this.gateway.services();
      this.filterBar.offer("service", services);
      this.filterBar.offer("channel", channels);
    } catch {
      // those of the lines that come are offered anyway
    }
  }

  #offer(lines) {
    this.filterBar.offer("service", lines.map(({ service }) => service));
    this.filterBar.offer("channel", lines.map(({ channel }) => channel));
  }

  #onOldLines(lines) {
    for (const line of lines) this.rates.add(line);
    this.#offer(lines);
  }

  #onLive(line) {
    this.rates.add(line);
    this.narrator.onLine(line);
    if (line.service === GATEWAY && line.fields.lost > 0) this.bar.onLost(line.fields.lost);
    this.#offer([line]);
  }

  #onEvent(name, data) {
    if (name === "status") this.#onStatus(data);
    else if (name === "alerts") this.#onAlerts(data.firing);
    else if (name === "gap") this.bar.onGap(data.lines ?? null);
    else if (name === "skipped") {
      this.bar.onSkipped(data.lines);
      this.rates.addSkipped(data.lines);
    }
  }

  #onStatus(status) {
    const before = this.bar.redis;
    this.bar.onStatus(status);
    if (before && before.redis !== status.redis) this.source.tell(redisNote(status));
    if (before && before.archiver !== status.archiver) this.source.tell(archiverNote(status.archiver));
    if (status.redis === "up" && this.source.history.problem) this.source.history.again();
    this.#showFacts();
  }

  #onAlerts(firing) {
    this.alerts.show(firing, { isFirst: !this.#hasAlerts });
    this.#hasAlerts = true;
  }

  #onAlert(alert, isFiring) {
    announce(isFiring ? `Alert: ${alert.name}. ${alert.text ?? ""}` : `Resolved: ${alert.name}`);
  }

  #onState(state) {
    this.connection.show(state);
    if (state.state === "locked") this.keyDialog.ask();
    if (state.state === "refused") this.filterBar.complain(asSentence(state.problem));
    this.#showFacts();
  }

  #onTimeChosen(since, until) {
    this.filters.set({ since: new Date(since).toISOString(), until: new Date(until).toISOString(), at: "" });
  }

  /** No more fit beside those that are here: the oldest of them becomes the last. */
  #showOlder() {
    const { oldest } = this.store;
    if (oldest) this.filters.set({ until: new Date(oldest.at).toISOString(), at: "" });
  }

  #showFacts() {
    if (document.hidden) return;
    const { filters, source, store, view } = this;
    const isPast = Boolean(filters.get("until")) && Date.parse(filters.get("until")) < Date.now();
    this.bar.show({ held: view.list.held, isAround: source.history.hasNewer, isPast, lines: store.lines.length, dropped: store.dropped, rate: this.rates.recent() });
    view.showFacts();
    this.empty.show(this.#emptiness, this.#emptyFacts);
  }

  /** Why there is no line, or null where there is one. */
  get #emptiness() {
    const { history, feed, isStale } = this.source;
    if (this.store.newest) return null;
    if (feed.state === "locked") return "locked";
    if (feed.state === "refused") return "no-match";
    if (feed.state === "waiting" && !history.isLoaded) return "gateway";
    if (this.bar.redis && this.bar.redis.redis !== "up" && this.filters.isEmpty) return "redis";
    if (history.isLoading || (history.hasOlder && !history.isTired)) return history.isLoaded ? "searching" : "loading";
    if (!history.isLoaded || isStale) return history.problem ? "history" : "loading";
    return this.filters.isEmpty ? "first" : "no-match";
  }

  get #emptyFacts() {
    const { isTired, problem, scannedTo } = this.source.history;
    const status = this.bar.redis ?? {};
    return {
      address: this.gateway.address.origin,
      redis: status.redis,
      archiver: status.archiver,
      hasKey: Boolean(this.gateway.key),
      scannedTo: scannedTo ? exact(scannedTo, this.preferences.is("utc")) : null,
      isTired,
      problem: problem ? asSentence(problem.message) : null,
    };
  }
}

new LogsPage().start();
