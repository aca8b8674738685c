// Events for a loop that takes its time.

import { HopstreamError } from "./errors.ts";
import type { ChatEvent } from "./events.ts";

/** `error`: where it was not closed by its caller. */
export interface End {
  error?: unknown;
}

const MAX_WAITING = 10_000; // events: a loop that is further behind will not catch up, and memory is not for that

export class EventStream {
  #waiting: ChatEvent[] = [];
  #end: End | undefined;
  #wake: () => void = () => {};

  push(event: ChatEvent): void {
    if (this.#end) return;
    if (this.#waiting.length < MAX_WAITING) this.#waiting.push(event);
    else this.finish({ error: new HopstreamError("the loop over events() is too far behind", { code: "too_slow" }) });
    this.#wake();
  }

  /** The loop ends once it has had what waits. */
  finish(end: End): void {
    this.#end ??= end;
    this.#wake();
  }

  async *read(onLeave: () => void): AsyncGenerator<ChatEvent, void, void> {
    try {
      for (;;) {
        for (let event; (event = this.#waiting.shift());) yield event;
        if (this.#end?.error) throw this.#end.error;
        if (this.#end) return;
        await new Promise<void>((resolve) => (this.#wake = resolve));
      }
    } finally {
      onLeave();
    }
  }
}
