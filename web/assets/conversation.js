// One session as this page shows it: its turns, and the one that runs.
"use strict";

(() => {
  const { ApiError, Turn, followStream } = Hopstream;
  const STOP_MS = 3_000; // a cancelled turn ends within a second; a direct one is cut off after this

  class Conversation {
    title = "";
    turns = [];
    streamState = "idle"; // idle | connecting | streaming | error
    #api;
    #following = null; // {turn, controller} of the turn that is being asked or streamed
    #loading = Promise.resolve(); // the latest load, whatever became of it
    #nextLoad = null; // the one that waits for it
    #chosen = new Map(); // versions of answers, by the first of each
    #isLookingFor = false; // a message that was rejected, before it is asked again
    #isLeft = false;

    /** The listener is told `changed`, `turnChanged`, `accepted`, `rejected`, `finished`, `gone` and `notice`. */
    constructor(api, sessionId, listener) {
      this.#api = api;
      this.listener = listener;
      this.sessionId = sessionId;
    }

    /**
     * The conversation as it stands. Of the versions of an answer the one is shown that was chosen, or that is being
     * written, or else the newest that is whole: one that failed or was stopped takes no good answer away.
     */
    get visibleTurns() {
      const firsts = new Map(); // the first version by the number of each
      const versions = new Map(); // all by their first
      for (const turn of this.turns) {
        const first = firsts.get(turn.replaces) ?? turn;
        if (turn.turn !== null) firsts.set(turn.turn, first);
        versions.set(first, [...(versions.get(first) ?? []), turn]);
      }
      return [...versions].map(([first, all]) => {
        for (const turn of all) turn.versions = all;
        const chosen = this.#chosen.get(first);
        if (all.includes(chosen)) return chosen;
        return all.at(-1).isFinished ? (all.findLast((turn) => turn.isGood) ?? all.at(-1)) : all.at(-1);
      });
    }

    /** Show the version that is so many steps from this one. */
    showVersion(turn, step) {
      const { versions } = turn;
      this.#chosen.set(versions[0], versions[versions.indexOf(turn) + step]);
      this.listener.changed();
    }

    /** The first that is not finished: others of its session may wait for it. */
    get running() {
      return this.turns.find((turn) => !turn.isFinished) ?? null;
    }

    /** Nothing can be asked now: a turn runs, or what became of the last one is not known yet. */
    get isBusy() {
      return Boolean(this.running || this.#following || this.#isLookingFor);
    }

    /** Something would be lost if this object were dropped: an answer that is read here alone, or a message on its way. */
    get isHeldHere() {
      const turn = this.#following?.turn;
      return this.#isLookingFor || Boolean(turn && (!turn.isAccepted || (turn.mode === "direct" && !turn.isElsewhere)));
    }

    /**
     * Take over what the store has by now, and follow the turn that runs. A load that is under way may have read it
     * before, so one more follows it. Raises ApiError.
     */
    sync() {
      this.#isLeft = false;
      this.#nextLoad ??= this.#loading.then(() => {
        this.#nextLoad = null;
        const load = this.#following ? Promise.resolve() : this.#load();
        this.#loading = load.catch(() => {});
        return load;
      });
      return this.#nextLoad;
    }

    /** Ask. What becomes of it is told to the listener: accepted and finished, or rejected. */
    async ask({ message, mode, model = null, agent = null, replaces = null }) {
      if (this.isBusy) return;
      const turn = new Turn({ message, mode, replaces });
      Object.assign(turn, { askedModel: model, agent });
      const before = this.#lastNumber;
      this.#chosen.clear(); // the new version is what is looked at
      this.turns.push(turn);
      this.#begin(turn);
      let failure = null;
      try {
        await (mode === "direct" ? this.#askDirectly(turn) : this.#askQueue(turn));
      } catch (error) {
        failure = error;
      }
      const isUncertain = failure === null || failure.code === "network" || failure.status >= 500;
      turn.turn ??= isUncertain ? await this.#findAccepted(message, before) : null;
      if (turn.turn === null) return this.#reject(turn, failure ?? this.#lost());
      this.#accept(turn);
      await this.#follow(turn);
    }

    /** Ask again what was rejected, unless it had arrived in spite of that. */
    async retry(request) {
      this.#isLookingFor = true;
      const accepted = await this.#findAccepted(request.message, this.#lastNumber).finally(() => (this.#isLookingFor = false));
      if (accepted === null) return this.ask(request);
      await this.sync();
      this.listener.accepted(this.turns.at(-1));
    }

    async stop() {
      const turn = this.running;
      if (!turn || turn.isStopping) return;
      turn.isStopping = true;
      this.listener.turnChanged(turn);
      if (turn.isAccepted) await this.#cancel(turn);
    }

    /** The page turns to another session. The server goes on with a queued turn; a direct one must be read on. */
    leave() {
      if (this.isHeldHere) return;
      this.#isLeft = true;
      this.#following?.controller.abort();
      this.#following = null;
    }

    get #lastNumber() {
      return Math.max(0, ...this.turns.map((turn) => turn.turn ?? 0));
    }

    async #load() {
      const before = new Set(this.turns);
      let session;
      try {
        session = await this.#api.session(this.sessionId);
      } catch (error) {
        if (error.status !== 404) throw error;
        if (!this.#following) this.listener.gone(); // else the message on its way begins it
        return;
      }
      if (this.#isLeft) return; // it would be followed, though nobody sees it
      const asked = this.turns.filter((turn) => !before.has(turn)); // meanwhile
      this.title = session.title;
      this.turns = [...this.#takeOver(session.turns, asked), ...asked];
      this.listener.changed();
      this.#followNext();
    }

    #followNext() {
      const { running } = this;
      if (!running || this.#following) return;
      running.rewind();
      this.#begin(running);
      this.#follow(running); // not awaited: it lasts as long as the answer
    }

    /** The store's turns without those of `asked`: one whose number is not known yet is there as a running one, if at all. */
    #takeOver(storedTurns, asked) {
      const known = new Map(this.turns.map((turn) => [turn.turn, turn]));
      const turns = storedTurns.filter((stored) => !asked.includes(known.get(stored.turn))).map((stored) => {
        const turn = known.get(stored.turn) ?? Turn.fromStored(stored);
        turn.load(stored);
        return turn;
      });
      return asked.length ? turns.filter((turn) => turn.isFinished) : turns;
    }

    async #askQueue(turn) {
      const accepted = await this.#api.ask(this.#body(turn, "queue"));
      turn.turn = accepted.turn;
      turn.queuePosition = accepted.position;
      turn.streamUrl = accepted.stream_url;
      this.#accept(turn);
    }

    async #askDirectly(turn) {
      const response = new AbortController();
      turn.cutOff = () => response.abort();
      const body = this.#body(turn, "direct");
      for await (const event of this.#api.askDirectly(body, response.signal)) {
        if (event.type === "open") this.#accept(turn);
        else if (event.type === "error" && !event.id) return; // what became of it is in the store
        else if (turn.apply(event)) this.#changed(turn);
        if (turn.status === "streaming") this.#report("streaming");
      }
    }

    #body({ message, replaces, agent, askedModel: model }, mode) {
      const body = { message, mode, session_id: this.sessionId };
      return { ...body, ...(model && { model }), ...(agent && { agent_id: agent.id }), ...(replaces && { replaces }) };
    }

    #begin(turn) {
      this.#following = { turn, controller: new AbortController() };
      this.#report("connecting");
      this.listener.changed();
    }

    #accept(turn) {
      if (turn.isAccepted) return;
      turn.isAccepted = true;
      this.title ||= turn.message;
      this.listener.accepted(turn);
      this.#changed(turn);
      if (turn.isStopping) this.#cancel(turn);
    }

    #reject(turn, error) {
      this.turns = this.turns.filter((other) => other !== turn);
      this.#following = null;
      this.#report("error");
      this.listener.changed();
      const { message, mode, askedModel: model, agent, replaces } = turn;
      this.listener.rejected({ message, mode, model, agent, replaces }, error);
      if (error.status === 409) this.sync().catch(() => {}); // another tab was first: show its turn
    }

    async #follow(turn) {
      if (!this.#following) return; // left
      const hooks = {
        signal: this.#following.controller.signal,
        report: (state) => this.#report(state),
        changed: () => this.#changed(turn),
      };
      try {
        await followStream(this.#api, this.sessionId, turn, hooks);
      } catch (error) {
        turn.fail({ code: error.code ?? "page_error", message: error.message });
        this.#changed(turn);
      }
      if (!turn.isFinished) return; // left
      this.#following = null;
      this.#report(turn.status === "error" ? "error" : "idle");
      this.listener.changed();
      this.listener.finished(turn);
      this.#followNext();
    }

    async #cancel(turn) {
      try {
        await this.#api.cancel(this.sessionId);
        if (turn.cutOff) setTimeout(() => turn.isFinished || turn.cutOff(), STOP_MS);
      } catch (error) {
        turn.isStopping = false;
        this.listener.notice(`The answer could not be stopped. ${error.message}`);
        this.#changed(turn);
      }
    }

    /** The number of a turn that the API took although its answer did not reach us, else null. */
    async #findAccepted(message, after) {
      try {
        const { turns } = await this.#api.session(this.sessionId);
        const latest = turns.at(-1);
        return latest && latest.turn > after && latest.message === message ? latest.turn : null;
      } catch (error) {
        if (error instanceof ApiError) return null;
        throw error;
      }
    }

    #lost() {
      return new ApiError({ code: "network", detail: "The answer broke off before it began." });
    }

    #changed(turn) {
      this.listener.turnChanged(turn);
    }

    #report(state) {
      if (this.streamState === state) return;
      this.streamState = state;
      this.listener.changed();
    }
  }

  Hopstream.Conversation = Conversation;
})();
