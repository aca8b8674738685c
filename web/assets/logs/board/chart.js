// Lines per second by level, by uPlot: drawn while it is open and seen. Dragging over it chooses a time.
import { SERIES } from "./rates.js";

const { byId, setText } = Hopstream.dom;
const HEIGHT_PX = 110;
const REDRAW_MS = 1_000;
const NAMES = { bad: "errors", warning: "warnings", info: "info", debug: "debug", other: "no level", skipped: "skipped" };
const number = new Intl.NumberFormat("en");

export class Chart {
  #rates;
  #plot = null;
  #isUtc = false;

  /** `onChosen(since, until)` with milliseconds since 1970. */
  constructor(rates, onChosen) {
    this.#rates = rates;
    this.onChosen = onChosen;
    new ResizeObserver(() => this.#plot?.setSize({ width: this.#width, height: HEIGHT_PX })).observe(byId("chart"));
    new MutationObserver(() => this.#renew()).observe(document.documentElement, { attributeFilter: ["data-theme"] });
    setInterval(() => this.draw(), REDRAW_MS);
  }

  get #isSeen() {
    return !document.hidden && !byId("figures").hidden;
  }

  get #width() {
    return Math.max(200, byId("chart").clientWidth);
  }

  setZone(isUtc) {
    this.#isUtc = isUtc;
    this.#renew();
  }

  draw() {
    if (!this.#isSeen) return;
    this.#plot ??= this.#make();
    if (!this.#plot.select.width) this.#plot.setData(layers(this.#rates.stacked()));
    this.#describe();
  }

  #renew() {
    this.#plot?.destroy();
    this.#plot = null;
    this.draw();
  }

  #make() {
    const style = getComputedStyle(document.documentElement);
    const colour = (name) => style.getPropertyValue(name).trim();
    const steps = uPlot.paths.bars({ size: [1, 100], gap: 0 });
    const axis = { stroke: colour("--muted"), grid: { stroke: colour("--line"), width: 1 }, ticks: { show: false }, font: `11px ${colour("--mono")}` };
    const series = [...SERIES].reverse().map((name) => ({ fill: colour(`--level-${name}`), width: 0, paths: steps, points: { show: false } }));
    const options = {
      width: this.#width,
      height: HEIGHT_PX,
      padding: [6, 8, 0, 0],
      legend: { show: false },
      cursor: { y: false, points: { show: false }, drag: { x: true, y: false, setScale: false } },
      scales: { x: { time: true }, y: { range: (_, __, most) => [0, Math.max(5, most * 1.1)] } },
      axes: [{ ...axis, size: 22, values: "{HH}:{mm}" }, { ...axis, size: 44, values: (_, values) => values.map((value) => (value % 1 ? "" : compact.format(value))) }],
      series: [{}, ...series],
      hooks: { setSelect: [(plot) => this.#onSelect(plot)] },
      ...(this.#isUtc ? { tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1_000), "Etc/UTC") } : {}),
    };
    return new uPlot(options, layers(this.#rates.stacked()), byId("chart"));
  }

  #onSelect(plot) {
    const { left, width } = plot.select;
    if (width < 4) return;
    const [since, until] = [left, left + width].map((x) => Math.round(plot.posToVal(x, "x") * 1_000));
    plot.setSelect({ left: 0, width: 0, top: 0, height: 0 }, false);
    this.onChosen(since, until);
  }

  #describe() {
    const totals = this.#rates.totals();
    const told = SERIES.filter((name) => totals[name]);
    byId("chart").ariaLabel = `Of the last 10 minutes: ${told.map((name) => `${number.format(totals[name])} ${NAMES[name]}`).join(", ") || "no lines"}`;
    const legend = byId("legend");
    if (legend.children.length !== SERIES.length) legend.replaceChildren(...SERIES.map(legendItem));
    SERIES.forEach((name, index) => {
      legend.children[index].hidden = !totals[name];
      setText(legend.children[index].lastChild, `${number.format(totals[name])} ${NAMES[name]}`);
    });
  }
}

const compact = new Intl.NumberFormat("en", { notation: "compact" });

/** The highest stack first: those after it are painted over it. */
function layers([seconds, ...rows]) {
  return [seconds, ...rows.reverse()];
}

function legendItem(name) {
  const item = document.createElement("li");
  const swatch = document.createElement("i");
  swatch.className = `swatch swatch-${name}`;
  item.append(swatch, document.createElement("span"));
  return item;
}
