// The bar at the foot: what the list does, what is missing of it, and how Redis and the archive are.
const { byId, setText } = Hopstream.dom;
const number = new Intl.NumberFormat("en");
const REDIS = { up: "Redis up", away: "Redis away", frozen: "Redis does not answer" };
const ARCHIVE = { ok: "Archive on", none: "No archive" };

export class StatusBar {
  #skipped = 0;
  #lost = 0;
  #missing = 0;
  #hasUnknownGap = false;
  redis = null; // the last status event

  onStatus(status) {
    this.redis = status;
    const element = byId("bar-redis");
    const most = status.most_memory_bytes ? ` of ${bytes(status.most_memory_bytes)}` : "";
    const memory = status.memory_bytes ? ` · ${bytes(status.memory_bytes)}${most}` : "";
    const lines = status.redis === "up" ? ` · ${number.format(status.lines ?? 0)} ${status.lines === 1 ? "line" : "lines"}` : "";
    setText(element, `${REDIS[status.redis] ?? "Redis unknown"}${status.redis === "up" ? memory : ""}${lines}`);
    const isTight = status.most_memory_bytes > 0 && status.memory_bytes > 0.9 * status.most_memory_bytes;
    element.classList.toggle("bar-bad", status.redis !== "up" || isTight);
    const keeps = ["ok", "none", undefined].includes(status.archive);
    setText(byId("bar-archive"), status.archiver ? (keeps ? ARCHIVE[status.archive ?? "ok"] : `Not archived: ${status.archive}`) : "No archiver");
    byId("bar-archive").classList.toggle("bar-bad", !status.archiver || !keeps);
  }

  onSkipped(lines) {
    this.#skipped += lines;
    this.#showMissing();
  }

  onLost(lines) {
    this.#lost += lines;
    this.#showMissing();
  }

  onGap(lines) {
    if (lines === null) this.#hasUnknownGap = true;
    else this.#missing += lines;
    this.#showMissing();
  }

  show({ held, isAround, isPast, lines, dropped, rate }) {
    setText(byId("bar-mode"), isAround ? "Around a line" : isPast ? "Past" : held === "pause" ? "Paused" : held === "scroll" ? "Scrolled up" : "Following");
    setText(byId("bar-lines"), `${number.format(lines)} lines here${dropped ? ", older ones let go" : ""}`);
    setText(byId("bar-rate"), `${number.format(rate)}/s`);
  }

  #showMissing() {
    const words = [
      this.#skipped && `${number.format(this.#skipped)} skipped`,
      this.#lost && `${number.format(this.#lost)} lost`,
      (this.#missing || this.#hasUnknownGap) && `${this.#missing ? number.format(this.#missing) : "some"} missing`,
    ].filter(Boolean);
    byId("bar-missing").hidden = !words.length;
    setText(byId("bar-missing"), words.join(", "));
  }
}

export function bytes(size) {
  const units = ["B", "KB", "MB", "GB", "TB"];
  const step = Math.min(units.length - 1, Math.floor(Math.log2(Math.max(1, size)) / 10));
  const value = size / 1024 ** step;
  return `${value >= 100 || step === 0 ? Math.round(value) : value.toFixed(1)} ${units[step]}`;
}
