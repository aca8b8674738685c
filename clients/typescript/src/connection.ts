// One connection, from opening its socket until it is lost.

import type { ErrorEvent, KnownEvent } from "./events.ts";
import { Loss } from "./loss.ts";
import { listen, OPEN, type SocketLike } from "./socket.ts";

/** Of known types, as far as anybody knows. */
export type Frame = KnownEvent | { type: "ping" | "pong" };

export interface Handlers {
  onFrame(frame: Frame): void;
  /** Once, whichever side has closed it. */
  onLoss(loss: Loss): void;
}

export class Connection {
  /** Milliseconds without any frame after which the connection is taken for lost. */
  patience: number;
  readonly #socket: SocketLike;
  readonly #handlers: Handlers;
  #watchdog: ReturnType<typeof setTimeout> | undefined;
  #said: ErrorEvent | undefined;
  #isOver = false;

  constructor(socket: SocketLike, patience: number, handshake: object, handlers: Handlers) {
    this.#socket = socket;
    this.patience = patience;
    this.#handlers = handlers;
    listen(socket, "open", () => this.send(handshake));
    listen(socket, "message", ({ data }) => this.#take(data));
    listen(socket, "error", ({ message }) => this.#lose(new Loss(undefined, message)));
    listen(socket, "close", ({ code, reason }) => this.#lose(new Loss(code, reason, this.#said)));
    if (socket.readyState === OPEN) this.send(handshake);
    this.#watch();
  }

  send(frame: object): void {
    if (!this.#isOver) this.#socket.send(JSON.stringify(frame));
  }

  close(): void {
    this.#lose(new Loss(1000));
  }

  #take(data: unknown): void {
    if (this.#isOver) return;
    const frame = parse(data);
    if (!frame) return this.#lose(new Loss(undefined, "the server has sent something that is no frame"));
    this.#said = frame.type === "error" && !frame.id && !frame.messageId ? frame : undefined;
    if (this.#said?.turn) return this.#lose(new Loss(undefined, "", this.#said)); // that it cannot tell any further
    this.#handlers.onFrame(frame);
    if (frame.type === "goaway") this.#lose(new Loss(1012, frame.reason, undefined, true));
    this.#watch();
  }

  #watch(): void {
    clearTimeout(this.#watchdog);
    if (this.#isOver) return;
    const lose = (): void => this.#lose(new Loss(undefined, `nothing has come for ${this.patience / 1_000} s`));
    this.#watchdog = setTimeout(lose, this.patience);
  }

  #lose(loss: Loss): void {
    if (this.#isOver) return;
    this.#isOver = true;
    clearTimeout(this.#watchdog);
    this.#socket.close(1000);
    this.#handlers.onLoss(loss);
  }
}

function parse(data: unknown): Frame | undefined {
  try {
    const frame = JSON.parse(data as string);
    return typeof frame.type === "string" ? frame : undefined;
  } catch {
    return undefined;
  }
}
