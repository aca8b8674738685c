// The page of agents: which one is open, and what each view's wish leads to.
"use strict";

(() => {
  const { AgentList, Editor, KeyDialog, NarratorPanel, Registry, TrialView, findApi, setUpSettings } = Hopstream;
  const { asSentence, byId, setText } = Hopstream.dom;
  const NEW = "/new"; // no agent's id

  class AgentsPage {
    #api;
    #place = ""; // what the address names: an agent's id, NEW or nothing
    #draft = null; // what the next new agent begins with

    constructor(api) {
      this.#api = api;
      this.registry = new Registry(api, () => this.#onNews());
      this.list = new AgentList();
      this.editor = new Editor(this.registry, {
        onSaved: (agent, isNew) => isNew && this.#replacePlace(agent.id),
        onDeleted: () => this.#onDeleted(),
        onDuplicate: (draft) => this.#make(draft),
        onState: () => this.#showTrial(),
      });
      this.trial = new TrialView(api, new NarratorPanel(api, (id) => this.#make({ id, name: "Controller" })));
    }

    async start() {
      setUpSettings(this.#api);
      const keyDialog = new KeyDialog(this.#api, () => this.#load());
      this.#api.askForKey = (complaint) => keyDialog.ask(complaint);
      byId("new-agent").addEventListener("click", () => this.#make(null));
      byId("retry-list").addEventListener("click", () => this.#load());
      byId("views").addEventListener("change", ({ target }) => (document.body.dataset.half = target.value));
      addEventListener("hashchange", () => this.#onPlace());
      addEventListener("focus", () => this.registry.isLoaded && this.registry.load().catch(() => {})); // for what others do
      await this.#load();
      byId("main").removeAttribute("aria-busy");
    }

    async #load() {
      let problem = "";
      try {
        await this.registry.load();
        if (!this.#isOpen || !this.editor.isDirty) this.#open(placeInAddress());
      } catch (error) {
        problem = `The agents cannot be listed. ${asSentence(error.message)}`;
      }
      setText(byId("list-problem-text"), problem);
      byId("list-problem").hidden = !problem;
    }

    get #isOpen() {
      return !byId("agent").hidden;
    }

    #onNews() {
      this.editor.refresh();
      this.#showList();
    }

    async #onPlace() {
      const place = placeInAddress();
      if (place === this.#place || !this.registry.isLoaded) return;
      const before = this.#place;
      this.#replacePlace(before); // until it is known that nothing is lost
      if (!(await this.editor.mayLeave())) return (this.#draft = null);
      this.#replacePlace(place);
      this.#open(place);
    }

    /** A new one, with what is known of it. */
    #make(draft) {
      this.#draft = draft;
      if (this.#place === NEW) this.#openNewAgain();
      else location.hash = NEW;
    }

    async #openNewAgain() {
      if (await this.editor.mayLeave()) this.#open(NEW);
    }

    #open(place) {
      this.#place = place;
      const agent = this.registry.find(place);
      const isOpen = place === NEW || agent !== null;
      byId("agent").hidden = !isOpen;
      byId("no-agent").hidden = isOpen;
      setText(byId("no-agent").querySelector("h2"), place && !isOpen ? `There is no agent “${place}”` : "Who is to answer?");
      document.body.dataset.view = isOpen ? "agent" : "list";
      if (agent) this.editor.open(agent);
      else if (place === NEW) this.editor.openNew(this.#draft ?? {});
      else this.editor.close();
      this.#draft = null;
      if (!isOpen) this.#showTrial();
      this.#showList();
      if (agent) byId("main").focus({ preventScroll: true });
    }

    #onDeleted() {
      this.#replacePlace("");
      this.#open("");
      byId("main").focus({ preventScroll: true });
    }

    #replacePlace(place) {
      this.#place = place;
      history.replaceState(null, "", place ? `#${place}` : location.pathname + location.search);
      this.#showList();
    }

    #showTrial() {
      const { agent, isDirty } = this.editor;
      this.trial.show(this.#isOpen ? agent : null, isDirty);
      document.title = agent ? `${agent.name} – Agents – Hopstream` : "Agents – Hopstream";
    }

    #showList() {
      const { agents, isLoaded } = this.registry;
      this.list.show(agents, { currentId: this.#place, isLoaded });
    }
  }

  function placeInAddress() {
    return location.hash.slice(1);
  }

  findApi().then((api) => new AgentsPage(api).start());
})();
