// The agent that is open: saved, duplicated, deleted, and nothing written is lost without a question.
"use strict";

(() => {
  const { AgentForm, askAboutConflict } = Hopstream;
  const { confirm } = Hopstream.dialogs;
  const { announce, asSentence, byId, setText } = Hopstream.dom;
  const BLANK = { id: "", name: "", system_prompt: "", markdown_context: "", model: null, options: {}, tools: [], editable: true };

  class Editor {
    agent = null; // as it is stored; null while it is new, or none is open
    #registry;
    #form = new AgentForm(() => this.#showState());
    #isOpen = false;
    #isBusy = false;
    #opening = 0; // counts what was opened: an answer to what was done with one is not for the next

    /** Handlers: onSaved(agent, isNew), onDeleted(), onDuplicate(draft), onState() when what is to be saved may be other. */
    constructor(registry, handlers) {
      this.#registry = registry;
      Object.assign(this, handlers);
      byId("form").addEventListener("submit", (event) => {
        event.preventDefault();
        this.#save();
      });
      byId("discard").addEventListener("click", () => this.#discard());
      byId("duplicate").addEventListener("click", () => this.onDuplicate(this.#copy()));
      byId("delete").addEventListener("click", () => this.#delete());
      document.addEventListener("keydown", (event) => this.#onKeyDown(event));
      addEventListener("beforeunload", (event) => this.isDirty && event.preventDefault());
    }

    get isDirty() {
      return this.#isOpen && this.#form.isDirty;
    }

    open(agent) {
      this.agent = agent;
      this.#fill(agent);
    }

    /** A new one, with what is known of it. */
    openNew(draft = {}) {
      this.agent = null;
      this.#fill({ ...BLANK, ...draft });
      this.#form.focus();
    }

    close() {
      this.#opening += 1;
      this.agent = null;
      this.#isOpen = false;
    }

    /** The registry has news: they are shown, but for what somebody is writing. */
    refresh() {
      const told = this.agent && this.#registry.find(this.agent.id);
      if (told && told.etag !== this.agent.etag && !this.isDirty && !this.#isBusy) this.open(told);
    }

    async mayLeave() {
      if (!this.isDirty) return true;
      const title = "Leave without saving?";
      return confirm({ title, text: "What you have changed is lost then.", yes: "Leave", no: "Stay" });
    }

    #fill(agent) {
      const { models, tools } = this.#registry;
      this.#opening += 1;
      this.#isOpen = true;
      this.#form.fill(agent, { isNew: this.agent === null, models, tools });
      const note = byId("read-only");
      note.hidden = agent.editable;
      setText(note, "This agent is the operator’s: you can use it, but not change it. Duplicate it to make one of your own.");
      this.#complain("");
      this.#showState();
    }

    async #save() {
      if (this.#isBusy || !this.#form.isEditable) return;
      if (this.agent && !this.isDirty) return announce("There is nothing to save.");
      const { problems } = this.#form;
      if (problems.length) return this.#form.showErrors(problems);
      await this.#store(this.#form.read(), this.agent?.etag ?? null);
    }

    async #store(values, etag) {
      const isNew = this.agent === null;
      const opening = this.#opening;
      let stored;
      this.#complain("");
      this.#form.showErrors([]);
      this.#setBusy(true);
      try {
        stored = await this.#registry.store(values, etag);
      } catch (error) {
        if (opening !== this.#opening) return announce(`“${values.name}” was not saved. ${asSentence(error.message)}`);
        return this.#onRefused(error, values, isNew);
      } finally {
        this.#setBusy(false);
      }
      if (opening !== this.#opening) return announce(`“${values.name}” was saved.`);
      this.agent = stored;
      this.#form.keep(values);
      this.#showState();
      announce("Saved");
      this.onSaved(this.agent, isNew);
    }

    async #onRefused(error, values, isNew) {
      if (isNew && (error.status === 412 || error.code === "agent_not_yours")) return this.#onTaken();
      if (error.status === 412) return this.#onConflict(values);
      const others = error.errors.length ? this.#form.showErrors(error.errors) : [error];
      if (others.length) this.#complain(`It was not saved. ${others.map(({ message }) => asSentence(message)).join(" ")}`);
    }

    #onTaken() {
      this.#form.showErrors([{ field: "id", message: "There is an agent of this id already. Choose another one." }]);
    }

    async #onConflict(values) {
      const opening = this.#opening;
      let theirs, unread;
      try {
        theirs = await this.#registry.read(values.id);
      } catch (error) {
        unread = error;
      }
      if (opening !== this.#opening) return announce(`“${values.name}” was not saved: somebody else has changed it meanwhile.`);
      if (unread) {
        return this.#complain(`Somebody else has changed it meanwhile, and their version cannot be read. ${asSentence(unread.message)}`);
      }
      const choice = await askAboutConflict(values, theirs);
      if (choice === "mine") await this.#store(values, theirs?.etag ?? null);
      else if (choice === "theirs" && theirs) this.open(theirs);
      else if (choice === "theirs") this.#gone();
    }

    async #discard() {
      const title = "Discard your changes?";
      if (!(await confirm({ title, text: "The agent stays as it was saved.", yes: "Discard", no: "Keep editing" }))) return;
      if (!this.agent) return this.#gone();
      this.open(this.#registry.find(this.agent.id) ?? this.agent);
      this.#form.focus();
    }

    async #delete() {
      const { agent } = this;
      const text = `“${agent.name}” will be gone for good. What it has answered stays.`;
      if (!(await confirm({ title: "Delete this agent?", text, yes: "Delete", no: "Keep" }))) return;
      const isShown = () => this.#isOpen && this.agent?.id === agent.id;
      try {
        await this.#registry.remove(agent);
      } catch (error) {
        if (!isShown()) return announce(`“${agent.name}” was not deleted. ${asSentence(error.message)}`);
        if (error.status === 412) return this.#onConflictOfDeletion();
        return this.#complain(`It was not deleted. ${asSentence(error.message)}`);
      }
      if (isShown()) this.#gone();
      announce("Deleted");
    }

    /** Theirs is shown, unless somebody is writing here. */
    async #onConflictOfDeletion() {
      await this.#registry.read(this.agent.id).catch(() => {}); // the next try tells
      this.#complain("It was not deleted: somebody else has changed it meanwhile. Look at it, and delete it again.");
    }

    #gone() {
      this.close();
      this.onDeleted();
    }

    #copy() {
      const values = this.#form.read();
      const taken = (id) => this.#registry.find(id) !== null;
      let id = `${values.id.slice(0, 58)}-copy`;
      for (let number = 2; taken(id); number += 1) id = `${values.id.slice(0, 55)}-copy-${number}`;
      return { ...values, id, name: `${values.name} (copy)` };
    }

    #setBusy(isBusy) {
      this.#isBusy = isBusy;
      this.#showState();
    }

    #showState() {
      const { agent, isDirty } = this;
      const isNew = agent === null;
      const { isEditable } = this.#form;
      setText(byId("agent-title"), isNew ? "New agent" : agent.name);
      byId("duplicate").hidden = isNew;
      byId("delete").hidden = isNew || !isEditable;
      byId("discard").hidden = !isEditable || !(isDirty || isNew);
      byId("save").hidden = !isEditable;
      byId("save").ariaDisabled = String(this.#isBusy || !(isDirty || isNew));
      setText(byId("save-state"), this.#isBusy ? "Saving…" : isDirty ? "Not saved yet" : isNew || !isEditable ? "" : "Saved");
      this.onState();
    }

    #complain(text) {
      setText(byId("form-problem"), text);
      byId("form-problem").hidden = !text;
    }

    #onKeyDown(event) {
      if (event.key.toLowerCase() !== "s" || !(event.ctrlKey || event.metaKey) || event.altKey || !this.#isOpen) return;
      event.preventDefault();
      if (!document.querySelector("dialog[open]")) this.#save();
    }
  }

  Hopstream.Editor = Editor;
})();
