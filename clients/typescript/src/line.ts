// The line to the server: one connection after another, until it is left or there is no hope for a further one.

import { Connection, type Frame } from "./connection.ts";
import { HopstreamError } from "./errors.ts";
import { Loss } from "./loss.ts";
import { pause, within } from "./promises.ts";
import { Retries, type RetryOptions } from "./retries.ts";
import { openWebSocket, type SocketFactory, type SocketLike } from "./socket.ts";
import { protocolsOf } from "./ticket.ts";

const PING_SECONDS = 15; // until the server says
const PINGS_MISSED = 2.5; // then the connection is taken for lost
const NO_PROGRESS = ["ready", "goaway", "error"];

export interface LineOptions {
  url: string;
  ticket: (() => Promise<string>) | undefined;
  socketFactory: SocketFactory | undefined;
  reconnect: RetryOptions | false | undefined;
  /** Milliseconds without any frame. */
  idleTimeout: number | undefined;
}

export interface LineHandlers {
  handshake(): object;
  onFrame(frame: Frame): void;
  /** There will be another connection. */
  onLoss(): void;
}

export class Line {
  readonly #options: LineOptions;
  readonly #handlers: LineHandlers;
  readonly #retries: Retries;
  readonly #left = new AbortController();
  #patience: number;
  #connection: Connection | undefined;
  #isReady = false;
  #wasReady = false;
  #hasRenewedTicket = false;

  constructor(options: LineOptions, handlers: LineHandlers) {
    this.#options = options;
    this.#handlers = handlers;
    this.#retries = new Retries(options.reconnect);
    this.#patience = this.#patienceOf(PING_SECONDS);
  }

  /** Whether there is a connection whose handshake is done. */
  get isReady(): boolean {
    return this.#isReady;
  }

  send(frame: object): void {
    if (this.#isReady) this.#connection!.send(frame);
  }

  leave(): void {
    this.#left.abort();
    this.#connection?.close();
  }

  /** Until the line is left. Raises HopstreamError once there is no hope, and what `ticket` and `socketFactory` raise. */
  async run(): Promise<void> {
    const { signal } = this.#left;
    for (;;) {
      const loss = await this.#connect();
      if (signal.aborted) return;
      const delay = this.#delayAfter(loss);
      if (this.#wasReady) this.#handlers.onLoss();
      await pause(delay, signal);
      if (signal.aborted) return;
    }
  }

  /** Resolves once the connection is lost. */
  async #connect(): Promise<Loss> {
    const { url, ticket, socketFactory = openWebSocket } = this.#options;
    let socket: SocketLike;
    try {
      const protocols = protocolsOf(ticket && (await within(this.#patience, ticket(), "getting a ticket")));
      if (this.#left.signal.aborted) return new Loss();
      socket = socketFactory(url, protocols);
    } catch (error) {
      if (!this.#wasReady || (error instanceof HopstreamError && !error.retryable)) throw error;
      return new Loss(undefined, String(error));
    }
    return new Promise((resolve) => {
      const onLoss = (loss: Loss): void => {
        this.#isReady = false;
        resolve(loss);
      };
      const onFrame = (frame: Frame): void => this.#take(frame);
      this.#connection = new Connection(socket, this.#patience, this.#handlers.handshake(), { onFrame, onLoss });
    });
  }

  #take(frame: Frame): void {
    if (frame.type === "ready") {
      this.#isReady = this.#wasReady = true;
      this.#hasRenewedTicket = false;
      this.#connection!.patience = this.#patience = this.#patienceOf(frame.pingSeconds);
    }
    if (!NO_PROGRESS.includes(frame.type)) this.#retries.reset();
    if (frame.type !== "ping" && frame.type !== "pong") this.#handlers.onFrame(frame);
  }

  /** Milliseconds. Raises the loss's error where there is no hope. */
  #delayAfter(loss: Loss): number {
    if (loss.isUnauthorized && this.#options.ticket && !this.#hasRenewedTicket) {
      this.#hasRenewedTicket = true;
      return 0;
    }
    const { isRecoverable, atOnce, said } = loss;
    const delay = isRecoverable && this.#wasReady ? this.#retries.next(atOnce, said?.retryAfter) : undefined;
    if (delay === undefined) throw loss.error;
    return delay;
  }

  #patienceOf(pingSeconds: number): number {
    return this.#options.idleTimeout ?? PINGS_MISSED * pingSeconds * 1_000;
  }
}
