// Light or dark. Runs before the first paint, so that a dark page never flashes white.
"use strict";

(() => {
  const { storage } = Hopstream;
  const system = matchMedia("(prefers-color-scheme: dark)");
  const root = document.documentElement;

  function apply() {
    root.dataset.theme = storage.read("theme") ?? (system.matches ? "dark" : "light");
    const color = root.dataset.theme === "dark" ? "#141715" : "#fbfaf7";
    document.querySelector('meta[name="theme-color"]').content = color;
    const toggle = document.getElementById("theme-toggle");
    if (toggle) toggle.ariaPressed = String(root.dataset.theme === "dark");
  }

  /** The choice is forgotten where it equals the system's, so that the page follows the system again. */
  function toggle() {
    const chosen = root.dataset.theme === "dark" ? "light" : "dark";
    storage.write("theme", chosen === (system.matches ? "dark" : "light") ? null : chosen);
    apply();
  }

  apply();
  system.addEventListener("change", apply);
  storage.onChange("theme", apply);
  document.addEventListener("DOMContentLoaded", () => {
    apply();
    document.getElementById("theme-toggle").addEventListener("click", toggle);
  });
})();
