// Where the pages are, seen from any of them: under a prefix, as files, with another API in the address.
"use strict";

(() => {
  const { HOME } = Hopstream;
  const FILES = { chat: "chat.html", streams: "streams.html", agents: "agents.html" };
  const PATHS = { chat: "", streams: "streams", agents: "agents" };
  const UNFIT = /^\.{1,2}$|[\u0000-\u001f\u007f]/; // for a path: browsers or the API's routes would change it
  const isFile = location.protocol === "file:";

  /** `query`: what is empty of it is left out. */
  function pageUrl(name, query = {}, hash = "") {
    const url = new URL(isFile ? FILES[name] : PATHS[name], HOME);
    return complete(url, query, hash);
  }

  /** The page of one goal: `goals/<id>`, and where no path can say the id, the streams with that filter. */
  function goalUrl(goal, query = {}) {
    const id = goal.toWellFormed?.() ?? goal;
    if (isFile || UNFIT.test(id)) return pageUrl("streams", { goal: id, ...query });
    return complete(new URL(`goals/${encodeURIComponent(id)}`, HOME), query, "");
  }

  /** The goal that this page is of, or null. */
  function goalInAddress() {
    const root = new URL("goals/", HOME).pathname;
    if (isFile || !location.pathname.startsWith(root)) return null;
    const encoded = location.pathname.slice(root.length);
    try {
      return decodeURIComponent(encoded);
    } catch {
      return encoded; // not by us
    }
  }

  function complete(url, query, hash) {
    const api = new URLSearchParams(location.search).get("api");
    for (const [name, value] of Object.entries({ api, ...query })) if (value) url.searchParams.set(name, value);
    url.hash = hash;
    return url.href;
  }

  for (const link of document.querySelectorAll("a[data-page]")) link.href = pageUrl(link.dataset.page);

  Hopstream.pages = { pageUrl, goalUrl, goalInAddress };
})();
