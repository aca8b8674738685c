// Hold answers back, as the mock upstream's `hold_after` does.

import { once, EventEmitter } from "node:events";

export class Gates {
  readonly #moves = new EventEmitter().setMaxListeners(0);
  readonly #limits = new Map<string, number>();

  /** Let the answers of this id go on, to so many tokens. */
  move(id: string, tokens: number = Infinity): void {
    this.#limits.set(id, tokens);
    this.wake();
  }

  limitOf(id: string, holdAfter: number): number {
    return this.#limits.get(id) ?? holdAfter;
  }

  /** Have those that wait look again. */
  wake(): void {
    this.#moves.emit("move");
  }

  async moved(): Promise<void> {
    await once(this.#moves, "move");
  }
}
