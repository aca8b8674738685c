// The tools that a model has called in a stream, with what came of it.
"use strict";

(() => {
  const { Tail } = Hopstream;
  const KEPT_CALLS = 20;
  const KEPT_CHARS = 1_000; // of arguments and of a result, each

  class ToolCalls {
    list = []; // {id, name, arguments, result, isError}; arguments and result are Tails
    count = 0;
    version = 0;
    #begun = 0; // the number of the first of `list` that has begun, among all that have

    apply({ phase, callId, name, call, arguments: text = "", result, isError = false }) {
      this.version += 1;
      if (phase === "begun" || phase === "call") this.#add({ id: callId, name, isPart: phase === "begun" }, text);
      else if (phase === "arguments") this.#begunCall(call)?.arguments.add(text);
      else if (phase === "result") this.#answer(callId, name, result ?? "", isError);
    }

    #add({ id, name, isPart }, text) {
      const added = { id, name, isPart, arguments: new Tail(KEPT_CHARS), result: null, isError: false };
      added.arguments.add(text);
      this.list.push(added);
      this.count += 1;
      if (this.list.length > KEPT_CALLS && this.list.shift().isPart) this.#begun += 1;
      return added;
    }

    #begunCall(number) {
      return this.list.filter(({ isPart }) => isPart)[number - this.#begun];
    }

    #answer(id, name, text, isError) {
      const answered = this.list.find((known) => known.id === id) ?? this.#add({ id, name, isPart: false }, "");
      answered.result = new Tail(KEPT_CHARS);
      answered.result.add(text);
      answered.isError = isError;
    }
  }

  Hopstream.ToolCalls = ToolCalls;
})();
