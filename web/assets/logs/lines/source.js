// Lines from the gateway, live ones and those before, joined without holes and doubles.
import { Feed } from "./feed.js";
import { History } from "./history.js";
import { gapNote, skippedNote } from "./told.js";
import { readLine } from "./line.js";

export class LineSource {
  #store;
  #at = "";
  #held = null; // what has come while the lines of other filters are still shown
  #isJoining = false;
  came = 0; // live lines, shown or not

  /** Handlers: onOldLines(lines), onLive(line), onEvent(name, data), onState(state), onChange(). */
  constructor(gateway, store, handlers) {
    this.#store = store;
    Object.assign(this, handlers);
    this.history = new History(gateway, store, { onChange: () => this.#onHistory(), onLines: (lines) => this.#onOldLines(lines) });
    this.feed = new Feed(gateway, {
      onReady: (isResumed) => this.#onReady(isResumed),
      onLine: (wire) => this.#onLine(wire),
      onEvent: (name, data) => this.#onEvent(name, data),
      onState: (state) => this.onState(state),
    });
  }

  /** Whether the lines that are shown are those of the filters before. */
  get isStale() {
    return this.#held !== null;
  }

  /** Anew. `at`: the id of a line around which to show them, or empty for the newest. */
  begin(query, at) {
    this.#at = at;
    this.#held = [];
    this.history.begin(query);
    const { since, ...live } = query; // the history has what was since then
    this.feed.start(live);
  }

  tell(note) {
    this.#add(note);
    this.onChange();
  }

  async #onReady(isResumed) {
    if (this.history.isLoaded && isResumed) return;
    if (this.#at) await this.history.loadAround(this.#at);
    else await this.history.load();
  }

  #onLine(wire) {
    const line = readLine(wire);
    if (!line) return;
    this.came += 1;
    this.onLive(line);
    if (this.history.hasNewer) return; // it comes when the list has got so far
    this.#add(line);
    this.onChange();
  }

  #onEvent(name, data) {
    if (name === "gap") this.#onGap(data);
    else if (name === "skipped") this.tell(skippedNote(data));
    this.onEvent(name, data);
  }

  /** Redis has them no more; the archive may. */
  async #onGap(data) {
    const after = this.#store.newest?.id;
    this.tell(gapNote(data));
    if (!after || this.isStale || this.history.hasNewer) return;
    const note = this.#store.lines.at(-1);
    const found = await this.history.fill(after);
    if (!found) return;
    note.text += `. ${found.toLocaleString("en")} were read from the archive`;
    note.version = 1;
    this.onChange();
  }

  #add(item) {
    if (this.#held) this.#held.push(item);
    else if (item.kind === "line") this.#store.append(item);
    else this.#store.tell(item);
  }

  /** The first answer to other filters: what was shown until now goes. */
  #onOldLines(lines) {
    this.#endStale();
    this.onOldLines(lines);
  }

  #onHistory() {
    const { newest } = this.#store;
    if (this.history.problem) this.#endStale();
    if (newest && this.history.isLoaded && !this.isStale && !this.history.hasNewer) this.feed.goOnAfter(newest.id);
    if (this.#at && this.history.isLoaded && !this.history.hasNewer && !this.history.isLoading) this.#join();
    this.onChange();
  }

  #endStale() {
    if (!this.#held) return;
    const held = this.#held;
    this.#held = null;
    this.#store.clear();
    for (const item of held) if (!this.#at || item.kind !== "line") this.#add(item);
  }

  /** The neighbourhood of a line has reached the newest ones: what came in that moment, too. */
  async #join() {
    this.#at = "";
    const { newest } = this.#store;
    if (newest) await this.history.fill(newest.id);
  }
}
