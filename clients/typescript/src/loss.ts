// A connection that is lost, and what its closing code means for the next one.

import { HopstreamError } from "./errors.ts";
import type { ErrorEvent } from "./events.ts";

/** RFC 6455, 7.4.1, and 4000 + a status of HTTP. */
const RECOVERABLE = [1001, 1005, 1006, 1011, 1012, 1013, 1015, 4408, 4429, 4503];
const ABNORMAL = 1006;
const UNAUTHORIZED = 4401;

export class Loss {
  readonly code: number;
  readonly reason: string;
  /** The server's last word about the connection itself. */
  readonly said: ErrorEvent | undefined;
  /** The server has sent us away. */
  readonly atOnce: boolean;

  constructor(code: number = ABNORMAL, reason = "", said?: ErrorEvent, atOnce = false) {
    this.code = code;
    this.reason = reason;
    this.said = said;
    this.atOnce = atOnce;
  }

  get isRecoverable(): boolean {
    return RECOVERABLE.includes(this.code);
  }

  get isUnauthorized(): boolean {
    return this.code === UNAUTHORIZED;
  }

  get error(): HopstreamError {
    const status = this.code >= 4400 ? this.code - 4000 : undefined;
    const message = this.said?.message ?? (this.reason || `the connection was closed with ${this.code}`);
    const code = this.said?.code ?? (this.isRecoverable ? "connection_lost" : `close_${this.code}`);
    return new HopstreamError(message, {
      code,
      status,
      retryable: this.isRecoverable,
      retryAfter: this.said?.retryAfter,
    });
  }
}
