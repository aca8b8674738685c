// The tools that a model has called in a turn: where in its answer, and with what result.
"use strict";

(() => {
  class Calls {
    steps = 0; // passes through the model of an agent with tools; 0 without
    list = []; // {id, name, arguments, step, at, result, isError, truncated, seconds, inDoubt}, as they began
    #begun = []; // those whose arguments come in pieces

    /** `at` of each: how many UTF-16 units of the text come before it. */
    static fromStored({ tool_calls: calls, steps, text }) {
      const stored = new Calls();
      stored.steps = steps ?? 0; // an older API tells neither steps nor places
      for (const call of calls) {
        const { id, name, arguments: given, step = 1 } = call;
        stored.#add({ id, name, step, at: unitsOf(text, call.at ?? Infinity) }, given);
        if (call.result !== null) stored.#answer(call);
      }
      return stored;
    }

    /** A live event, with the length of the text so far. Returns whether it was about tools. */
    apply({ step, tool_call: call, tool_call_begun: begun, tool_call_arguments: more, tool_result: result }, at) {
      if (step) this.steps = Math.max(this.steps, step.number);
      else if (call) this.#add({ ...call, at }, call.arguments);
      else if (begun) this.#begun.push(this.#add({ ...begun, at }, ""));
      else if (more) this.#grow(more);
      else if (result) this.#answer(result);
      else return false;
      return true;
    }

    #add({ id, name, at, step = Math.max(1, this.steps) }, given) {
      const open = { result: null, isError: false, truncated: false, seconds: null, inDoubt: false };
      const call = { id, name, step, at, arguments: given, ...open };
      this.list.push(call);
      return call;
    }

    #grow({ call, text }) {
      if (this.#begun[call]) this.#begun[call].arguments += text;
    }

    #answer({ id, result, is_error: isError = false, truncated = false, seconds = null, in_doubt: inDoubt = false }) {
      const call = this.list.findLast((each) => each.id === id);
      if (call) Object.assign(call, { result, isError, truncated, seconds, inDoubt });
    }
  }

  /** How long the first so many characters of a text are, which the API counts by code points. */
  function unitsOf(text, characters) {
    let units = 0;
    for (let left = characters; left > 0 && units < text.length; left -= 1) {
      units += text.codePointAt(units) > 0xffff ? 2 : 1;
    }
    return units;
  }

  Hopstream.Calls = Calls;
})();
