// The list with what belongs to it: the chosen line and its panel, matches, and how the list is worked with a pointer.
import { Panel } from "../panel/panel.js";
import { Matcher } from "../text/matcher.js";
import { parts } from "../text/times.js";
import { Cursor } from "./cursor.js";
import { LogList } from "./list.js";
import { ListTop } from "./top.js";

const { announce, byId, setText } = Hopstream.dom;
const COVERED = matchMedia("(max-width: 820px)"); // there the panel lies over the list (panel.css)
const number = new Intl.NumberFormat("en");

export class ListView {
  #source;
  #store;
  #filters;
  #matcher = new Matcher({});
  #wanted = null;
  #sought = ""; // the line around which the list was to be shown

  /** Handlers: onFollow() for the button, onHold(), onOlderThan(). */
  constructor(source, store, filters, handlers) {
    this.#source = source;
    this.#store = store;
    this.#filters = filters;
    Object.assign(this, handlers);
    const { history } = source;
    this.list = new LogList(byId("list"), byId("spool"), store, {
      onHold: () => this.onHold(),
      onAtEnd: () => history.hasNewer || this.list.follow(),
      onNearTop: () => store.isFull || source.isStale || history.older(),
      onNearEnd: () => source.isStale || history.newer(),
      onDrawn: () => this.#onDrawn(),
    });
    this.cursor = new Cursor(this.list, store, (line) => this.#onChosen(line));
    this.panel = new Panel({
      onClose: () => this.closePanel(),
      onFilter: (changes, { isAdded = false } = {}) => (isAdded ? filters.set({ ...changes, at: "" }) : filters.clear(changes)),
      onAround: ({ id }) => filters.clear({ at: id }),
      marksIn: (text) => this.#matcher.marksIn(text),
      linkTo: ({ id }) => filters.urlOf({ at: id }),
    });
    this.top = new ListTop(byId("list-top"));
    byId("new-lines").addEventListener("click", () => this.onFollow());
    this.#setUpPointer();
  }

  /** Other filters: their lines are on the way. */
  begin() {
    const at = this.#filters.get("at");
    this.#sought = at;
    byId("list").ariaBusy = "true";
    if (COVERED.matches) this.panel.close();
    this.look();
    if (at) this.list.hold("scroll");
    else this.list.follow();
  }

  follow() {
    this.cursor.choose(null);
    this.list.follow();
  }

  setPreferences({ isUtc, isWrapped }) {
    Object.assign(this.list.look, { isUtc, isWrapped });
    this.panel.isUtc = isUtc;
    if (this.panel.line) this.panel.open(this.panel.line);
    this.list.onResize();
    this.list.redraw();
  }

  /** What is looked for is another. */
  look() {
    const wanted = JSON.stringify(this.#filters.wanted);
    if (wanted === this.#wanted) return;
    this.#wanted = wanted;
    this.#matcher.close();
    this.#matcher = new Matcher(
      this.#filters.wanted,
      () => this.list.request(),
      () => announce("This pattern takes too long here: its matches are not highlighted."),
    );
    this.list.look.marksOf = (line) => this.#matcher.marksOf(line);
    this.list.look.isBelow = (line) => this.#matcher.isBelow(line);
    this.list.redraw();
  }

  openPanel(line = this.cursor.line) {
    if (line?.kind !== "line") return;
    this.panel.open(line);
    this.list.onResize();
  }

  closePanel() {
    if (!this.panel.isOpen) return false;
    this.panel.close();
    this.list.onResize();
    byId("list").focus({ preventScroll: true });
    return true;
  }

  async toMatch(step) {
    if (!this.#matcher.isActive) announce("Nothing is looked for");
    else if (!(await this.cursor.toMatch(this.#matcher, step))) announce("No further match here");
  }

  toError(step) {
    if (!this.cursor.toError(step)) announce("No further error here");
  }

  showFacts() {
    const { history, isStale } = this.#source;
    const unseen = this.list.unseen + (history.hasNewer ? 1 : 0);
    const button = byId("new-lines");
    button.hidden = this.list.held === null;
    setText(button.querySelector("span"), history.hasNewer ? "To the newest lines" : unseen ? `${number.format(unseen)} new ${unseen === 1 ? "line" : "lines"}` : "To the end");
    byId("list").ariaBusy = String(isStale);
    byId("pause").ariaPressed = String(this.list.held === "pause");
    byId("pause").ariaLabel = this.list.held === "pause" ? "Go on" : "Pause";
    const { isUtc } = this.list.look;
    this.top.show(history, { isFull: this.#store.isFull, isUtc, hasLines: this.#store.newest !== null, onOlderThan: this.onOlderThan });
  }

  #onDrawn() {
    this.#showDay();
    this.cursor.keep();
    const { history, isStale } = this.#source;
    if (!this.#sought || isStale || !history.isLoaded || history.isLoading) return;
    const line = this.#store.lines.find(({ id }) => id === this.#sought);
    this.#sought = "";
    if (!line) return announce("That line is no longer kept");
    this.cursor.choose(line);
    this.list.reveal(line, { isCentred: true });
  }

  /** Rows have no room for the day; it is told where it is another than today. */
  #showDay() {
    const [first] = this.list.seen;
    const { isUtc } = this.list.look;
    const day = first ? parts(first.at, isUtc).day : "";
    const isOther = day !== "" && day !== parts(Date.now(), isUtc).day;
    setText(byId("list-day"), isOther ? day : "");
    byId("list-day").hidden = !isOther;
  }

  #onChosen(line) {
    if (line && this.panel.isOpen) this.openPanel(line);
    if (line) announce([line.level, line.service, line.head ?? line.text].filter(Boolean).join(" "));
  }

  #setUpPointer() {
    const list = byId("list");
    list.addEventListener("click", ({ target }) => {
      const line = this.list.lineOf(target);
      if (!line || !getSelection().isCollapsed) return;
      this.cursor.choose(line);
      this.openPanel(line);
    });
    document.addEventListener("selectionchange", () => {
      const selection = getSelection();
      const isInList = !selection.isCollapsed && byId("spool").contains(selection.anchorNode);
      if (isInList && this.list.held === null) this.list.hold("pause"); // what is being selected must not move
    });
  }
}
