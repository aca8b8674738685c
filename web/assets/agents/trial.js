// A conversation with an agent over /ws/chat: as many turns as one likes, through lost connections and reloads.
"use strict";

(() => {
  const { LiveSocket, Turn, drafts, eventOf, newSessionId, storage } = Hopstream;
  const TERMINAL = [400, 403, 404, 409, 422]; // by which the API says that trying again makes no sense

  class Trial {
    agentId = null;
    sessionId = null;
    turns = [];
    #api;
    #socket;
    #pending = new Map(); // turns by the id of their message, until the API has accepted it
    #lastId = null; // of the last frame seen, to go on after it
    #isBehind = false; // the store has not told what it has

    /** The listener is told `changed`, `turnChanged`, `finished`, `refused`, `stateChanged`, `ready` and `narration`. */
    constructor(api, listener) {
      this.#api = api;
      this.listener = listener;
      this.#socket = new LiveSocket(api, "/ws/chat", {
        terminal: TERMINAL,
        hello: () => this.#hello(),
        onReady: (frame) => this.#onReady(frame),
        onFrame: (frame) => this.#onFrame(frame),
        onState: (state) => listener.stateChanged(state),
      });
    }

    /** Try that agent, and go on with the conversation that this browser has with it; null: none. */
    open(agentId) {
      if (agentId === this.agentId) return;
      this.agentId = agentId;
      const kept = agentId && storage.read(this.#key);
      this.#begin(kept || newSessionId());
      if (kept) this.#load();
    }

    startOver() {
      storage.write(this.#key, null);
      this.#begin(newSessionId());
    }

    /** This browser goes on with the conversation next time. */
    keep() {
      storage.write(this.#key, this.sessionId);
    }

    connect() {
      this.#socket.start();
    }

    reconnect() {
      this.#socket.restart();
    }

    get running() {
      return this.turns.find((turn) => !turn.isFinished) ?? null;
    }

    send(message) {
      const turn = new Turn({ message, mode: "queue" });
      this.#pending.set(newSessionId(), turn);
      this.turns.push(turn);
      this.keep();
      this.#keepSending();
      this.listener.changed();
      this.#socket.start();
      this.#submit([...this.#pending.keys()].at(-1));
    }

    /** Returns whether the wish is on its way. */
    stop() {
      const isSent = this.#socket.send({ type: "stop" });
      for (const turn of isSent ? this.turns.filter((each) => !each.isFinished) : []) {
        turn.isStopping = true;
        this.listener.turnChanged(turn);
      }
      return isSent;
    }

    get #key() {
      return `trial:${this.#api.base}:${this.agentId}`;
    }

    #begin(sessionId) {
      this.#socket.stop();
      this.sessionId = sessionId;
      this.turns = [];
      this.#pending.clear();
      this.#lastId = null;
      this.#isBehind = false;
      this.listener.changed();
    }

    #hello() {
      const { agentId, sessionId } = this;
      const seq = this.listener.narratorSeq();
      const places = { ...(this.#lastId && { resume: this.#lastId }), ...(seq !== null && { narratorSeq: seq }) };
      return { type: "handshake", protocol: 1, agentId, conversationId: sessionId, ...places };
    }

    #submit(messageId) {
      this.#socket.send({ type: "message", message: this.#pending.get(messageId).message, messageId });
    }

    /** What was not accepted is sent again: the ids keep the API from answering it twice. */
    #onReady(frame) {
      for (const messageId of this.#pending.keys()) this.#submit(messageId);
      if (this.turns.some((turn) => turn.isStopping && !turn.isFinished)) this.#socket.send({ type: "stop" }); // it may be lost
      const hasEnded = frame.status === "idle" && this.turns.some((turn) => turn.isAccepted && !turn.isFinished);
      if (hasEnded || this.#isBehind) this.#load();
      this.listener.ready(frame);
    }

    #onFrame(frame) {
      if (frame.id) this.#lastId = frame.id;
      if (frame.type === "accepted") this.#onAccepted(frame);
      else if (frame.type === "narration") this.listener.narration(frame);
      else if (frame.type === "error" && !frame.id) this.#onProblem(frame);
      else if (frame.turn) this.#onEvent(frame);
    }

    #onAccepted({ messageId, turn: number, position, waiting }) {
      const turn = this.#pending.get(messageId);
      if (!turn) return;
      this.#pending.delete(messageId);
      this.#keepSending();
      const told = this.turns.find((each) => each.turn === number);
      if (told) {
        // Accepted on an earlier connection, it has been told on this one by its number.
        told.message = turn.message;
        this.turns = this.turns.filter((other) => other !== turn);
      } else {
        const status = waiting > 0 ? "waiting" : "queued";
        Object.assign(turn, { turn: number, isAccepted: true, queuePosition: position, status });
      }
      this.listener.changed();
    }

    #onProblem({ messageId, turn: number, message }) {
      const turn = this.#pending.get(messageId);
      if (number) return this.#socket.fail(message); // it is told no further on this connection
      if (!turn) return; // of no message: if it matters, the close that follows says so
      this.#pending.delete(messageId);
      this.#keepSending();
      this.turns = this.turns.filter((other) => other !== turn);
      this.listener.changed();
      this.listener.refused(turn.message, message);
    }

    #onEvent(frame) {
      const event = eventOf(frame);
      if (!event) return;
      const turn = this.turns.find((each) => each.turn === frame.turn) ?? this.#adopt(frame.turn);
      if (turn.isFinished || !turn.apply(event)) return;
      this.listener.turnChanged(turn);
      if (turn.isFinished) this.listener.finished(turn);
    }

    /** Asked elsewhere: by another tab, or a narrator. */
    #adopt(number) {
      const turn = new Turn({ message: "", mode: "queue" });
      Object.assign(turn, { turn: number, isAccepted: true });
      this.turns.push(turn);
      this.listener.changed();
      this.#load();
      return turn;
    }

    /** What the store has of it. The frames tell the rest. */
    async #load() {
      const { sessionId } = this;
      let stored;
      try {
        stored = (await this.#api.session(sessionId)).turns;
      } catch (error) {
        if (sessionId !== this.sessionId || error.status === 404) return;
        this.#isBehind = true;
        return this.connect(); // it tells what is wrong, and when all is well again
      }
      if (sessionId !== this.sessionId) return;
      this.#isBehind = false;
      for (const each of stored) this.#take(each);
      this.turns.sort((a, b) => (a.turn ?? Infinity) - (b.turn ?? Infinity));
      this.#recover(stored);
      this.listener.changed();
      if (this.running) this.connect();
    }

    #take(stored) {
      const known = this.turns.find(({ turn }) => turn === stored.turn);
      if (!known) return this.turns.push(Turn.fromStored(stored));
      known.message ||= stored.message;
      if (!known.isFinished && ["done", "error"].includes(stored.status)) known.load(stored);
    }

    /** The page was closed while a message was on its way. */
    #recover(stored) {
      const message = drafts.readSending(this.sessionId);
      if (message === null || this.#pending.size) return;
      drafts.forgetSending(this.sessionId);
      if (stored.at(-1)?.message !== message) this.listener.refused(message, null);
    }

    #keepSending() {
      const messages = [...this.#pending.values()].map(({ message }) => message);
      drafts.keepSending(this.sessionId, messages.join("\n\n"));
    }
  }

  Hopstream.Trial = Trial;
})();
