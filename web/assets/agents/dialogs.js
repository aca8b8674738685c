// Questions that have to be answered first.
"use strict";

(() => {
  const { byId } = Hopstream.dom;

  /** Resolves to the value of the button that closed the dialog; to "" where it was let be. */
  function ask(dialog) {
    return new Promise((resolve) => {
      dialog.returnValue = "";
      dialog.addEventListener("close", () => resolve(dialog.returnValue === "cancel" ? "" : dialog.returnValue), { once: true });
      dialog.showModal();
    });
  }

  /** Resolves to whether it is to be done. */
  async function confirm({ title, text, yes, no = "Cancel" }) {
    for (const [id, words] of Object.entries({ title, text, yes, no })) byId(`confirm-${id}`).textContent = words;
    return (await ask(byId("confirm"))) === "yes";
  }

  Hopstream.dialogs = { ask, confirm };
})();
