// The page of streams, or of one goal's: what feeds what, and when it is drawn.
"use strict";

(() => {
  const { Banner, CardList, FilterBar, Filters, GoalView, History, KeyDialog, LiveSocket, STATUSES, Streams, Summary } = Hopstream;
  const { findApi, setUpExample, setUpSettings } = Hopstream;
  const { asSentence, byId } = Hopstream.dom;
  const FACTS_MS = 250; // counts, order and figures; text is drawn with each frame

  class StreamsPage {
    #api;
    #isFrameDue = false;
    #hasNews = true;
    #wasLive = false;
    #asked = null; // the filters as the history knows them
    #counts = {};
    #summary = new Summary();

    constructor(api) {
      this.#api = api;
      this.filters = new Filters(() => this.#onFilters());
      const { pageGoal } = this.filters;
      this.streams = new Streams((stream) => this.#onEnd(stream));
      this.history = new History(api, this.streams, () => this.#onNews());
      this.bar = new FilterBar(this.filters);
      this.goal = new GoalView(pageGoal);
      this.list = new CardList(byId("cards"), { running: byId("running"), ended: byId("ended") }, {
        onCancel: ({ sessionId, turn }) => api.cancel(sessionId, turn),
        onDetails: (stream) => this.#onDetails(stream),
        onSight: () => this.#draw(),
        onFocusLost: () => byId("main").focus({ preventScroll: true }),
      });
      this.banner = new Banner(() => this.#retry());
      this.connection = new LiveSocket(api, "/ws/events", {
        query: pageGoal === null ? {} : { goalId: pageGoal },
        onReady: () => this.#onReady(),
        onFrame: (frame) => frame.type === "event" && this.#onEvent(frame),
        onState: (state) => this.banner.show(state),
      });
      if (pageGoal !== null) this.#summary.name = `${pageGoal} – Hopstream`;
    }

    start() {
      setUpSettings(this.#api);
      const keyDialog = new KeyDialog(this.#api, () => this.#onKey());
      this.#api.askForKey = (complaint) => keyDialog.ask(complaint);
      setUpExample(this.#api, this.filters.goal);
      byId("older").addEventListener("click", () => this.history.older());
      byId("retry-history").addEventListener("click", () => this.#load());
      document.addEventListener("visibilitychange", () => document.hidden || this.#onNews());
      setInterval(() => this.#tick(), FACTS_MS);
      this.connection.start();
      this.#load();
      byId("main").removeAttribute("aria-busy");
    }

    #onReady() {
      this.streams.beginConnection();
      this.history.reconcile();
      if (this.#wasLive || this.history.problem) this.#load(); // of what came and went meanwhile
      this.#wasLive = true;
    }

    #onEvent(frame) {
      this.streams.apply(frame);
      this.#hasNews = true;
      this.#requestFrame();
    }

    #onNews() {
      this.#hasNews = true;
      this.#requestFrame();
    }

    #onEnd(stream) {
      if (stream.isLagged) this.history.refetch(stream);
    }

    #onDetails(stream) {
      this.history.refetch(stream);
    }

    #onFilters() {
      this.bar.show();
      this.#hasNews = true;
      this.#drawFacts();
      setUpExample(this.#api, this.filters.goal);
      if (JSON.stringify(this.filters.stored) !== this.#asked) this.#load();
    }

    #onKey() {
      this.streams.clear();
      this.connection.restart();
      this.#load();
      setUpExample(this.#api, this.filters.goal);
    }

    #load() {
      this.#asked = JSON.stringify(this.filters.stored);
      this.history.load(this.filters.stored);
    }

    async #retry() {
      if (this.connection.state === "locked") await this.#api.knock().catch(() => {}); // asks for the key, and with it all begins
      else this.connection.wake();
    }

    #requestFrame() {
      if (this.#isFrameDue) return;
      this.#isFrameDue = true;
      requestAnimationFrame((now) => {
        this.#isFrameDue = false;
        if (this.list.drawText(now)) this.#requestFrame();
      });
    }

    /** A page that nobody sees counts, for its title, and draws nothing. */
    #tick() {
      if (document.hidden) this.#count();
      else this.#drawFacts();
      this.#summary.show(this.#counts, performance.now());
    }

    /** What has come into sight, before it is painted. */
    #draw() {
      this.#drawFacts();
      this.list.drawText(performance.now());
    }

    #drawFacts() {
      const now = performance.now();
      if (this.#hasNews || this.list.isSettling) this.#arrange(now);
      this.list.drawFacts(now, this.streams.serverTime());
      if (this.connection.state === "live") this.history.name(this.list.near);
      this.#requestFrame();
    }

    #arrange(now) {
      this.#hasNews = false;
      const { all } = this.streams;
      const shown = this.#count().filter((stream) => this.filters.matchesStatus(stream));
      this.list.arrange(shown, now);
      this.bar.offer(this.#counts, distinct(all, "goalId"), distinct(all, "model"));
      this.goal.show(all);
      this.#showEnds(shown.length);
    }

    /** Those that match whatever their status, counted by it. */
    #count() {
      const matching = this.streams.all.filter((stream) => this.filters.matches(stream));
      this.#counts = Object.fromEntries(STATUSES.map((status) => [status, 0]));
      for (const { status } of matching) this.#counts[status] += 1;
      return matching;
    }

    /** What there is beside cards: nothing yet, nothing that matches, more. */
    #showEnds(count) {
      const { history, streams } = this;
      const isLoading = history.isLoading && count === 0;
      byId("loading").hidden = !isLoading;
      byId("empty").hidden = count > 0 || isLoading || !history.isLoaded || !this.filters.isEmpty;
      byId("no-match").hidden = count > 0 || isLoading || this.filters.isEmpty;
      byId("history-problem").hidden = !history.problem;
      byId("history-problem-text").textContent = history.problem ? `Earlier streams are missing. ${asSentence(history.problem.message)}` : "";
      const older = byId("older");
      const hasOlder = history.hasOlder && !streams.isFull;
      if (!hasOlder && older === document.activeElement) byId("main").focus({ preventScroll: true });
      older.hidden = !hasOlder;
      older.ariaBusy = String(history.isLoading);
      byId("full").hidden = !streams.isFull;
    }
  }

  function distinct(streams, name) {
    return [...new Set(streams.map((stream) => stream[name]).filter(Boolean))].sort();
  }

  findApi().then((api) => new StreamsPage(api).start());
})();
