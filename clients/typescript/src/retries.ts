// When to connect again: exponential, with full jitter.

export interface RetryOptions {
  /** How often in a row without any progress. */
  retries?: number;
  /** Milliseconds: the first pause is at most so long, each further one up to twice as long, … */
  minDelay?: number;
  /** … but none is longer. */
  maxDelay?: number;
}

export class Retries {
  #tries = 0;
  readonly #limit: number;
  readonly #minDelay: number;
  readonly #maxDelay: number;

  constructor(options: RetryOptions | false = {}) {
    const { retries = 10, minDelay = 500, maxDelay = 8_000 } = options || { retries: 0 };
    this.#limit = retries;
    this.#minDelay = minDelay;
    this.#maxDelay = maxDelay;
  }

  /** The next try's pause in milliseconds; undefined where there have been enough. */
  next(atOnce: boolean, retryAfter = 0): number | undefined {
    const tries = this.#tries++;
    if (tries >= this.#limit) return undefined;
    if (atOnce && tries === 0) return 0; // once: a server that sends everybody away is not to be asked in a loop
    const ceiling = Math.min(this.#maxDelay, this.#minDelay * 2 ** tries);
    return Math.max(Math.random() * ceiling, retryAfter * 1_000);
  }

  /** A connection has got somewhere. */
  reset(): void {
    this.#tries = 0;
  }
}
