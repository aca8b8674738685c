// The side list of sessions; on phones a drawer over the page.
"use strict";

(() => {
  const { byId, clone, part } = Hopstream.dom;
  const DAY_MS = 86_400_000;
  const narrow = matchMedia("(max-width: 820px)");

  class Sidebar {
    #list = byId("session-list");
    #isOpen = false;
    #deleting = null;

    /** Handlers: onOpen(sessionId), onNew(), onDelete(sessionId). */
    constructor({ onOpen, onNew, onDelete }) {
      this.onOpen = onOpen;
      byId("new-chat").addEventListener("click", () => {
        this.close();
        onNew();
      });
      byId("open-sidebar").addEventListener("click", () => this.#setOpen(true));
      byId("close-sidebar").addEventListener("click", () => this.close());
      byId("scrim").addEventListener("click", () => this.close());
      narrow.addEventListener("change", () => this.#setOpen(false));
      this.#list.addEventListener("click", (event) => this.#onClick(event));
      const dialog = byId("confirm-delete");
      dialog.addEventListener("close", () => dialog.returnValue === "delete" && onDelete(this.#deleting));
      this.#setOpen(false);
    }

    get isOpen() {
      return this.#isOpen;
    }

    close() {
      if (!this.#isOpen) return;
      this.#setOpen(false);
      byId("open-sidebar").focus();
    }

    show(sessions, currentId) {
      const nodes = [];
      let group = null;
      for (const session of sessions) {
        const label = nameDay(session.updatedAt);
        if (label !== group) nodes.push(heading((group = label)));
        nodes.push(item(session, session.id === currentId));
      }
      const focused = this.#list.contains(document.activeElement) ? document.activeElement : null;
      this.#list.replaceChildren(...nodes);
      if (focused) this.#focusAgain(focused);
    }

    /** On the same session, or on the first one where that is gone. */
    #focusAgain({ tagName, parentElement: { dataset } }) {
      const found = [...this.#list.children].find((element) => element.dataset.sessionId === dataset.sessionId);
      (found?.querySelector(tagName) ?? this.#list.querySelector("a") ?? byId("message")).focus({ preventScroll: true });
    }

    #onClick(event) {
      const element = event.target.closest(".session");
      if (!element) return;
      if (event.target.closest("button")) return this.#confirmDelete(element);
      if (event.ctrlKey || event.metaKey || event.shiftKey) return; // a new tab or window
      event.preventDefault();
      this.close();
      this.onOpen(element.dataset.sessionId);
    }

    #confirmDelete(element) {
      this.#deleting = element.dataset.sessionId;
      byId("confirm-name").textContent = element.querySelector("a").textContent;
      const dialog = byId("confirm-delete");
      dialog.returnValue = "";
      dialog.showModal();
    }

    /** What is covered or off the screen must not take the focus. */
    #setOpen(isOpen) {
      this.#isOpen = isOpen;
      byId("sidebar").classList.toggle("open", isOpen);
      byId("sidebar").inert = narrow.matches && !isOpen;
      byId("page").inert = isOpen;
      byId("scrim").hidden = !isOpen;
      byId("open-sidebar").ariaExpanded = String(isOpen);
      if (isOpen) byId("close-sidebar").focus();
    }
  }

  function item({ id, title }, isCurrent) {
    const element = clone("session-template");
    const link = element.querySelector("a");
    element.dataset.sessionId = id;
    link.href = `#${id}`;
    link.textContent = title;
    link.title = title;
    if (isCurrent) link.ariaCurrent = "page";
    part(element, "delete-session").ariaLabel = `Delete “${title}”`;
    return element;
  }

  function heading(text) {
    const element = document.createElement("h2");
    element.textContent = text;
    return element;
  }

  function nameDay(time) {
    const days = Math.round((new Date().setHours(0, 0, 0, 0) - new Date(time).setHours(0, 0, 0, 0)) / DAY_MS);
    if (days <= 0) return "Today";
    if (days === 1) return "Yesterday";
    return days <= 7 ? "Last 7 days" : "Older";
  }

  Hopstream.Sidebar = Sidebar;
})();
