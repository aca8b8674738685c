// What the tabs of one browser tell each other: {type: "turn" | "deleted", sessionId} or {type: "agents"}.
"use strict";

(() => {
  const channel = open();

  function open() {
    try {
      return new BroadcastChannel("hopstream");
    } catch {
      return null; // blocked: the other tabs look again when they get the focus
    }
  }

  function tell(type, sessionId) {
    channel?.postMessage({ type, sessionId });
  }

  function onTold(callback) {
    channel?.addEventListener("message", ({ data }) => callback(data.type, data.sessionId));
  }

  Hopstream.tabs = { tell, onTold };
})();
