// The page: which session is shown, and what each view's wish leads to.
"use strict";

(() => {
  const { AgentPicker, Composer, Conversation, KeyDialog, ModelPicker, ProblemCard, SessionList, Sidebar, Status, Thread } = Hopstream;
  const { drafts, findApi, newSessionId, sessionInAddress, setUpSettings, shortenTitle, tabs, storage } = Hopstream;
  const { announce, byId } = Hopstream.dom;

  class App {
    #api;
    #sessions;
    #conversation = null;
    #held = new Map(); // conversations that are read here alone, by session id
    #problem = new ProblemCard();

    constructor(api) {
      this.#api = api;
      this.#sessions = new SessionList(api.base);
      this.thread = new Thread({
        onExample: (text) => this.#send(text),
        onRegenerate: (turn) => this.#ask({ message: turn.message, replaces: turn.versions.at(-1).turn }),
        onVersion: (turn, step) => this.#conversation.showVersion(turn, step),
        onDetails: () => this.#look(),
      });
      this.models = new ModelPicker(api);
      this.agents = new AgentPicker(api, (agent) => this.models.showAgentModel(agent?.model ?? null));
      this.composer = new Composer({
        onSend: (text) => this.#send(text),
        onStop: () => this.#conversation.stop(),
        onMode: (mode) => this.status.setMode(mode),
      });
      this.sidebar = new Sidebar({
        onOpen: (id) => this.#open(id),
        onNew: () => {
          this.#open(null);
          this.composer.focus();
        },
        onDelete: (id) => this.#delete(id),
      });
      this.status = new Status(api, {
        onHealth: ({ workers }) => {
          this.thread.setWorkers(workers !== 0);
          if (!this.#api.isLocked) this.#loadPickers();
        },
        onBack: () => this.#look(),
      });
    }

    start() {
      const typedBefore = this.composer.text.trimEnd(); // while the API was being looked for
      setUpSettings(this.#api);
      const keyDialog = new KeyDialog(this.#api, () => this.#onKey());
      this.#api.askForKey = (complaint) => keyDialog.ask(complaint);
      this.status.setMode(this.composer.mode);
      this.status.check();
      this.#open(sessionInAddress());
      this.composer.restore(typedBefore);
      byId("composer").removeAttribute("aria-busy");
      if (!sessionInAddress()) this.#api.knock().catch(() => {}); // the lights tell
      addEventListener("hashchange", () => this.#open(sessionInAddress()));
      addEventListener("focus", () => this.#look());
      document.addEventListener("visibilitychange", () => document.hidden || this.#look());
      document.addEventListener("keydown", (event) => this.#onKeyDown(event));
      byId("use-direct").addEventListener("click", () => this.#useDirect());
      storage.onChange(this.#sessions.storageKey, () => this.#showSessions());
      tabs.onTold((type, id) => this.#onTold(type, id));
    }

    /** Show a session; null: a new one, which gets its place in the address and the list with its first message. */
    #open(id) {
      const before = this.#conversation;
      if (before && (id === before.sessionId || (id === null && !before.isListed && before.turns.length === 0))) return;
      this.#leave(before);
      const conversation = this.#held.get(id) ?? new Conversation(this.#api, id ?? newSessionId(), null);
      conversation.listener ??= this.#listen(conversation);
      conversation.isListed = id !== null;
      this.#conversation = conversation;
      if (location.hash.slice(1) !== (id ?? "")) location.hash = id ?? "";
      this.#problem.clear();
      this.composer.open(id);
      this.agents.open(id);
      this.composer.focus();
      this.#show({ isLoading: id !== null });
      this.#showSessions();
      if (id !== null) this.#load(conversation);
    }

    #leave(conversation) {
      if (!conversation) return;
      if (conversation.isHeldHere) this.#held.set(conversation.sessionId, conversation);
      conversation.leave();
    }

    async #load(conversation) {
      const { sessionId } = conversation;
      let error = null;
      await conversation.sync().catch((reason) => (error = reason));
      if (conversation !== this.#conversation) return;
      this.#show();
      this.thread.toEnd();
      if (error) {
        const onRetry = () => {
          this.#problem.clear();
          this.#load(conversation);
        };
        this.#problem.show(error, { onRetry });
      }
      if (conversation.turns.length && !error) this.#sessions.know(sessionId, conversation.title);
      this.#recover(conversation);
      this.#showSessions();
    }

    /** The page was closed while a message was on its way. */
    #recover({ sessionId, turns, isHeldHere }) {
      const message = drafts.readSending(sessionId);
      if (message === null || isHeldHere) return;
      drafts.forgetSending(sessionId);
      if (turns.at(-1)?.message !== message) this.composer.restore(message);
    }

    /** Another tab may have asked something. */
    #look() {
      if (this.#conversation.isListed && !this.#api.isLocked) this.#conversation.sync().catch(() => {}); // the API light tells
    }

    #send(message) {
      return this.#ask({ message });
    }

    /** False where it cannot be asked now: what was typed stays where it is. */
    #ask({ message, replaces = null }, how = "ask") {
      const conversation = this.#conversation;
      if (conversation.isBusy) {
        announce("Another answer is being written. Your message can be sent when it is finished.");
        return false;
      }
      this.#problem.clear();
      if (replaces === null) drafts.keepSending(conversation.sessionId, message);
      conversation.isListed = true;
      location.hash = conversation.sessionId;
      this.composer.adopt(conversation.sessionId);
      this.agents.adopt(conversation.sessionId);
      this.composer.focus();
      const asked = { mode: this.composer.mode, model: this.models.chosen, agent: this.agents.chosen };
      conversation[how]({ message, replaces, ...asked });
      this.thread.toEnd();
      return true;
    }

    #listen(conversation) {
      const isShown = () => conversation === this.#conversation;
      const { sessionId } = conversation;
      return {
        changed: () => isShown() && this.#show(),
        turnChanged: (turn) => isShown() && this.#showTurn(turn),
        accepted: () => {
          drafts.forgetSending(sessionId);
          this.agents.settle(sessionId);
          this.#sessions.put(sessionId, conversation.title);
          this.#showSessions();
          tabs.tell("turn", sessionId);
          if (!isShown()) conversation.leave();
        },
        rejected: (request, error) => {
          drafts.forgetSending(sessionId);
          if (isShown()) this.#showRejected(request, error);
          else if (request.replaces === null) drafts.add(sessionId, request.message);
        },
        finished: (turn) => {
          this.#held.delete(sessionId);
          if (isShown()) announce(this.thread.spoken(turn));
          if (isShown() && this.thread.wantsDetails) this.#look();
        },
        gone: () => this.#onGone(conversation),
        notice: (text) => isShown() && announce(text),
      };
    }

    #showRejected({ message, agent, replaces }, error) {
      if (replaces === null) this.composer.restore(message);
      const onRetry = () => {
        const isTyped = replaces === null;
        const text = (isTyped && this.composer.text.trim()) || message;
        if (this.#ask({ message: text, replaces }, "retry") && isTyped) this.composer.clear();
      };
      const onDirect = () => {
        this.#useDirect();
        onRetry();
      };
      const isAgentGone = agent !== null && error.status === 404;
      if (isAgentGone) this.agents.reload();
      const hint = isAgentGone ? "Choose another agent, or none." : "";
      this.#problem.show(error, { hint, onRetry, onDirect: error.code === "broker_down" ? onDirect : null });
      this.thread.toEnd();
    }

    async #delete(id) {
      try {
        await this.#api.remove(id);
      } catch (error) {
        if (error.status !== 404) return this.#problem.show(error, { onRetry: () => this.#delete(id) });
      }
      tabs.tell("deleted", id);
      this.#forget(id);
    }

    #forget(id) {
      this.#sessions.remove(id);
      drafts.forget(id);
      this.agents.settle(id);
      this.#held.delete(id);
      if (this.#conversation.sessionId === id) this.#open(null);
      this.#showSessions();
    }

    /** The server does not know it (any more): what was typed stays. */
    #onGone({ sessionId, turns }) {
      this.#sessions.remove(sessionId);
      if (turns.length && this.#conversation.sessionId === sessionId) this.#open(null);
    }

    #onTold(type, id) {
      if (type === "agents") return this.agents.reload();
      if (type === "deleted") return this.#forget(id);
      if (id === this.#conversation.sessionId) this.#look();
      this.#showSessions();
    }

    #onKey() {
      this.status.check();
      this.#loadPickers();
      this.#look();
    }

    #loadPickers() {
      this.models.load();
      this.agents.load();
    }

    #onKeyDown(event) {
      if (event.key !== "Escape" || event.isComposing || document.querySelector("dialog[open]")) return;
      if (this.sidebar.isOpen) this.sidebar.close();
      else this.#conversation.stop();
    }

    #useDirect() {
      this.composer.chooseMode("direct");
      this.composer.focus();
    }

    #show({ isLoading = false } = {}) {
      const { title, turns, visibleTurns, running, streamState } = this.#conversation;
      const name = shortenTitle(title);
      byId("title").textContent = name;
      document.title = title ? `${name} – Hopstream` : "Hopstream";
      this.thread.show(visibleTurns, { isLoading });
      this.agents.follow(turns);
      this.status.setStream(streamState);
      this.#showRunning(running);
    }

    #showTurn(turn) {
      this.thread.update(turn);
      this.#showRunning(this.#conversation.running);
    }

    #showRunning(running) {
      this.composer.setRunning({ isRunning: running !== null, isStopping: running?.isStopping ?? false });
    }

    #showSessions() {
      this.sidebar.show(this.#sessions.all(), this.#conversation.isListed ? this.#conversation.sessionId : null);
    }
  }

  findApi().then((api) => new App(api).start());
})();
