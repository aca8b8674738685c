// The settings dialog, and what all dialogs share.
"use strict";

(() => {
  const { parseBase, storage } = Hopstream;
  const { byId } = Hopstream.dom;

  function setUpSettings(api) {
    const dialog = byId("settings");
    const field = byId("api-url");

    byId("open-settings").addEventListener("click", () => {
      field.value = storage.read("api") ?? "";
      byId("api-note").textContent = `Now: ${api.base}. Empty: found by itself.`;
      dialog.showModal();
    });
    byId("settings-form").addEventListener("submit", (event) => {
      const base = parseBase(field.value.trim());
      field.setCustomValidity(field.value.trim() && !base ? "An http:// or https:// address, please." : "");
      if (!field.reportValidity()) return event.preventDefault();
      storage.write("api", base);
      location.assign(addressWithoutApi());
      location.reload();
    });
    field.addEventListener("input", () => field.setCustomValidity(""));

    for (const element of document.querySelectorAll("dialog")) {
      element.querySelector("[data-close]").addEventListener("click", () => element.close("cancel"));
      element.addEventListener("click", ({ target }) => target === element && element.close("cancel"));
    }
  }

  /** What was just chosen must not be overruled by the address. */
  function addressWithoutApi() {
    const url = new URL(location.href);
    url.searchParams.delete("api");
    return url.href;
  }

  Hopstream.setUpSettings = setUpSettings;
})();
