// The frames of /ws/chat as the events that a turn knows (docs/agents.md).
"use strict";

(() => {
  const EVENTS = {
    queued: ({ position }) => ({ type: "queued", position }),
    start: ({ turn, attempt, model }) => ({ type: "start", turn, attempt, model }),
    token: ({ token }) => ({ chunk: token }),
    reasoning: ({ text }) => ({ reasoning: text }),
    refusal: ({ text }) => ({ refusal: text }),
    step: ({ step, status }) => ({ step: { number: step, status } }),
    tool: ({ name, payload }) => toolEvent(name, payload),
    restart: ({ reason, model, attempt }) => ({ type: "restart", reason, model, attempt }),
    done: ({ finishReason, usage, model }) => ({ type: "done", finish_reason: finishReason, usage: usage && countsOf(usage), model }),
    error: ({ code, message }) => ({ type: "error", code, message }),
  };

  /** Null for a frame that is no event of a turn, or of a later release. */
  function eventOf(frame) {
    const make = Object.hasOwn(EVENTS, frame.type) ? EVENTS[frame.type] : null;
    const event = make && make(frame);
    return event && { ...event, ...(frame.id ? { id: frame.id } : {}) };
  }

  function toolEvent(name, { callId: id, phase, arguments: given, output, isError, truncated, seconds, inDoubt }) {
    if (phase === "call") return { tool_call: { id, name, arguments: typeof given === "string" ? given : JSON.stringify(given) } };
    const result = { id, name, result: output, is_error: isError, truncated, seconds, in_doubt: inDoubt };
    return phase === "result" ? { tool_result: result } : null;
  }

  const countsOf = ({ inputTokens, outputTokens }) => ({ input_tokens: inputTokens, output_tokens: outputTokens });

  Hopstream.eventOf = eventOf;
})();
