// Which keys do what on this page.
import { Keys } from "./keys.js";

const { byId } = Hopstream.dom;

export function setUpKeys(page) {
  const { filters, preferences, view } = page;
  const { cursor } = view;
  new Keys([
    [["/"], "Search", () => false],
    [[" "], "Pause, go on", () => page.togglePause()],
    [["End"], "Follow the newest line", () => page.follow()],
    [["Home"], "The first line", () => cursor.toFirst()],
    [["ArrowDown", "j"], "Next line", () => cursor.move(1), "list"],
    [["ArrowUp", "k"], "Line before", () => cursor.move(-1), "list"],
    [["PageDown"], "", () => cursor.movePage(1), "list"],
    [["PageUp"], "", () => cursor.movePage(-1), "list"],
    [["Enter"], "Open the chosen line", () => view.openPanel(), "list"],
    [["n"], "Next match", () => view.toMatch(1)],
    [["N"], "Match before", () => view.toMatch(-1)],
    [["e"], "Next error", () => view.toError(1)],
    [["E"], "Error before", () => view.toError(-1)],
    [["h"], "Only highlight, or filter", () => filters.set({ mode: filters.isHighlight ? "" : "highlight" })],
    [["w"], "Wrap long lines", () => preferences.toggle("wrap")],
    [["u"], "Local time or UTC", () => preferences.toggle("utc")],
    [["c"], "Charts and totals", () => preferences.toggle("figures")],
    [["Escape"], "Close the line, leave the search", (event) => escape(event, view)],
    [["?"], "These keys", () => byId("help").showModal()],
  ]);
}

function escape({ target }, view) {
  if (target.closest?.("input, select")) byId("list").focus({ preventScroll: true });
  else if (!view.closePanel()) return false;
  return true;
}
