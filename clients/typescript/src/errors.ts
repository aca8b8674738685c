// What goes wrong, with a code that stays the same.

export interface ErrorDetails {
  code: string;
  status?: number | undefined;
  retryable?: boolean | undefined;
  retryAfter?: number | undefined;
  cause?: unknown;
}

/** An error of the server, or of the way to it. `code` is the server's, or one of README's table. */
export class HopstreamError extends Error {
  override readonly name = "HopstreamError";
  readonly code: string;
  /** Of HTTP, where there is one. */
  readonly status: number | undefined;
  /** Whether the same may succeed later. */
  readonly retryable: boolean;
  /** Seconds after which a retry makes sense. */
  readonly retryAfter: number | undefined;

  constructor(message: string, { code, status, retryable = false, retryAfter, cause }: ErrorDetails) {
    super(message, { cause });
    this.code = code;
    this.status = status;
    this.retryable = retryable;
    this.retryAfter = retryAfter;
  }
}
