// What an answer took: who gave it, tokens, times and cost, as the store tells it.
"use strict";

(() => {
  const count = (number) => number.toLocaleString();
  const seconds = (from, to) => (Date.parse(to) - Date.parse(from)) / 1000;

  /** [name, value] for each that is known. */
  function factsOf(stored) {
    const { agent, usage, asked_at: asked, first_token_at: first, finished_at: finished, tries } = stored;
    const written = first && finished ? seconds(first, finished) : 0;
    return [
      ["Agent", agent && `${agent.name} (${agent.id}, version ${agent.version})`],
      ["Model", stored.served_model ?? stored.model],
      ["Provider", stored.provider],
      ["Tokens in", usage && count(usage.input_tokens) + among(usage.cached_tokens, "cached")],
      ["Tokens out", usage && count(usage.output_tokens) + among(usage.reasoning_tokens, "thought")],
      ["First token", asked && first && `${seconds(asked, first).toFixed(2)} s`],
      ["Speed", usage?.output_tokens > 1 && written > 0 && `${(usage.output_tokens / written).toFixed(1)} tokens/s`],
      ["Finish", stored.raw_finish_reason],
      ["Cost", typeof stored.cost === "number" && `$${stored.cost.toPrecision(2)}`],
      ["Tries", tries?.length > 0 && tries.map(({ model, outcome }) => `${model}: ${outcome}`).join("; ")],
    ].filter(([, value]) => value);
  }

  const among = (number, what) => (number ? ` (${count(number)} ${what})` : "");

  Hopstream.factsOf = factsOf;
})();
