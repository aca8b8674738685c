// For an empty page: the command that makes a stream appear.
"use strict";

(() => {
  const { byId, copy } = Hopstream.dom;

  function setUpExample(api, goal) {
    const body = JSON.stringify({ message: "Hello", goal_id: goal || "demo" });
    const key = api.key ? ` \\\n  -H 'Authorization: Bearer <your key>'` : "";
    const command = `curl -X POST ${api.base}/chat \\\n  -H 'Content-Type: application/json'${key} \\\n  -d ${quote(body)}`;
    byId("example").textContent = command;
    const button = byId("copy-example");
    button.onclick = () => copy(command, button);
  }

  /** For a POSIX shell. */
  function quote(text) {
    return `'${text.replaceAll("'", "'\\''")}'`;
  }

  Hopstream.setUpExample = setUpExample;
})();
