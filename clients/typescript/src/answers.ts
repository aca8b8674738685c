// What becomes of messages: each waits until the server has accepted it as a turn, and settles with the turn's end.

import type { Frame } from "./connection.ts";
import { lastTurnOf } from "./cursor.ts";
import { HopstreamError } from "./errors.ts";
import type { Usage } from "./events.ts";
import { INVALID_CURSOR } from "./place.ts";

const MAX_WAITING_BYTES = 1_000_000; // of messages while there is no connection

export interface Answer {
  turn: number;
  conversationId: string;
  /** All of it, whatever was lost on the way. */
  text: string;
  /** stop, length, tool_limit, cancelled, content_filter, … */
  finishReason: string;
  usage: Usage | null;
}

export interface MessageFrame {
  type: "message";
  message: string;
  messageId: string;
  options?: object | undefined;
}

interface Message {
  frame: MessageFrame;
  bytes: number;
  /** Once it is accepted. */
  turn?: number;
  resolve(answer: Answer): void;
  reject(error: unknown): void;
}

export class Answers {
  /** Whether a turn of the conversation runs, anybody's. */
  isRunning = false;
  #messages: Message[] = [];
  #texts = new Map<number, string>();
  /** Of turns that may be those of messages which are not accepted yet. */
  #ends = new Map<number, Answer | HopstreamError>();
  #lastEnded = 0;

  get isEmpty(): boolean {
    return this.#messages.length === 0;
  }

  /** What the server may not have: to be sent again, under the same id, over each new connection. */
  get unaccepted(): MessageFrame[] {
    return this.#unaccepted.map(({ frame }) => frame);
  }

  /** `isAway`: there is no connection to send it. */
  add(frame: MessageFrame, isAway: boolean): Promise<Answer> {
    const bytes = new TextEncoder().encode(JSON.stringify(frame)).length;
    const waiting = this.#unaccepted.reduce((sum, message) => sum + message.bytes, bytes);
    if (isAway && waiting > MAX_WAITING_BYTES) {
      const message = "too many messages wait for the connection to come back";
      return Promise.reject(new HopstreamError(message, { code: "too_much_waiting", retryable: true }));
    }
    return new Promise((resolve, reject) => this.#messages.push({ frame, bytes, resolve, reject }));
  }

  take(frame: Frame): void {
    switch (frame.type) {
      case "ready":
        this.isRunning = frame.status === "running";
        return;
      case "accepted":
        return this.#accept(frame.messageId, frame.turn);
      case "start":
        this.isRunning = true;
        this.#texts.set(frame.turn, "");
        return this.#pass(frame.turn - 1);
      case "restart":
        this.#texts.set(frame.turn, "");
        return;
      case "token":
        this.#texts.set(frame.turn, this.#textOf(frame.turn) + frame.token);
        return;
      case "done": {
        const { turn, conversationId, finishReason, usage } = frame;
        return this.#end(turn, { turn, conversationId, text: this.#textOf(turn), finishReason, usage });
      }
      case "error": {
        const { id, turn, messageId, message, ...details } = frame;
        const error = new HopstreamError(message, details);
        if (id && turn) this.#end(turn, error);
        else if (messageId) this.#refuse(messageId, error);
        else if (error.code === INVALID_CURSOR) this.goOnFrom(undefined);
      }
    }
  }

  /** Only what is behind the cursor will come; from the beginning of some turn, where there is none. */
  goOnFrom(cursor: string | undefined): void {
    this.#texts.clear();
    this.#lastEnded = cursor ? lastTurnOf(cursor) : 0;
  }

  fail(error: unknown): void {
    for (const { reject } of this.#messages.splice(0)) reject(error);
  }

  get #unaccepted(): Message[] {
    return this.#messages.filter(({ turn }) => turn === undefined);
  }

  #textOf(turn: number): string {
    return this.#texts.get(turn) ?? "";
  }

  #accept(messageId: string | null, turn: number): void {
    const message = this.#unaccepted.find(({ frame }) => frame.messageId === messageId);
    if (message) message.turn = turn;
    this.#settle();
  }

  #refuse(messageId: string, error: HopstreamError): void {
    const message = this.#unaccepted.find(({ frame }) => frame.messageId === messageId);
    if (!message) return;
    this.#messages.splice(this.#messages.indexOf(message), 1);
    message.reject(error);
  }

  #end(turn: number, end: Answer | HopstreamError): void {
    this.isRunning = false;
    this.#texts.delete(turn);
    this.#ends.set(turn, end);
    this.#pass(turn);
  }

  /** Turns come one after another: of those up to this one, nothing will come any more. */
  #pass(turn: number): void {
    this.#lastEnded = Math.max(this.#lastEnded, turn);
    this.#settle();
  }

  #settle(): void {
    const settled = this.#messages.filter(({ turn }) => turn !== undefined && turn <= this.#lastEnded);
    this.#messages = this.#messages.filter((message) => !settled.includes(message));
    for (const { turn, resolve, reject } of settled) {
      const end = this.#ends.get(turn!) ?? beforeCursor(turn!);
      if (end instanceof HopstreamError) reject(end);
      else resolve(end);
    }
    if (this.#unaccepted.length === 0) this.#ends.clear();
  }
}

function beforeCursor(turn: number): HopstreamError {
  const message = `this message was sent before: turn ${turn} began before the place from which this stream goes on`;
  return new HopstreamError(message, { code: "before_cursor" });
}
