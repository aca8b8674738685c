// What becomes of messages: each waits until the server has accepted it as a turn, and settles with the turn's end.

import type { Frame } from "./connection.ts";
import { lastTurnOf, turnOf } from "./cursor.ts";
import { HopstreamError } from "./errors.ts";
import type { AcceptedEvent, Usage } from "./events.ts";
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
  /** Of the turns that are being told, from their start on. */
  readonly #texts = new Map<number, string>();
  readonly #ended = new Set<number>();
  /** Of turns that may be those of messages which are not accepted yet. */
  readonly #ends = new Map<number, Answer | HopstreamError>();
  #lastBefore = 0;

  get isEmpty(): boolean {
    return this.#messages.length === 0;
  }

  /**
   * What has to be sent over a new connection, again under its id: what the server may not have, and what it may not
   * tell of behind the cursor, or where there is none.
   */
  toSend(cursor: string | undefined): MessageFrame[] {
    const isBefore = (turn: number): boolean => cursor === undefined || turn < turnOf(cursor);
    return this.#messages.filter(({ turn }) => turn === undefined || isBefore(turn)).map(({ frame }) => frame);
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
        this.#dropDeleted(frame.firstTurn ?? 0, frame.turn ?? 0);
        return;
      case "accepted":
        return this.#accept(frame);
      case "start":
      case "restart":
        this.isRunning = true;
        this.#texts.set(frame.turn, "");
        return;
      case "token":
        if (this.#isWhole(frame.turn)) this.#texts.set(frame.turn, this.#textOf(frame.turn) + frame.token);
        return;
      case "done": {
        const { turn, conversationId, finishReason, usage } = frame;
        const answer = { turn, conversationId, text: this.#textOf(turn), finishReason, usage };
        return this.#end(turn, this.#isWhole(turn) ? answer : alreadyTold(turn));
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
    this.#lastBefore = cursor ? lastTurnOf(cursor) : 0;
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

  /** Whether all of it comes over this stream. */
  #isWhole(turn: number): boolean {
    return turn > this.#lastBefore || this.#texts.has(turn);
  }

  #accept({ messageId, turn, duplicate }: AcceptedEvent): void {
    const message = this.#unaccepted.find(({ frame }) => frame.messageId === messageId);
    if (!message) return;
    message.turn = turn;
    if (!duplicate) this.#expectWhole(turn);
    if (this.#ended.has(turn)) this.#settle(turn, this.#ends.get(turn) ?? alreadyTold(turn));
    if (this.#unaccepted.length === 0) this.#ends.clear();
  }

  /** A new one, whatever was told under its number: the conversation may have been deleted, and begun anew. */
  #expectWhole(turn: number): void {
    this.#ended.delete(turn);
    this.#lastBefore = Math.min(this.#lastBefore, turn - 1);
  }

  #refuse(messageId: string, error: HopstreamError): void {
    const message = this.#unaccepted.find(({ frame }) => frame.messageId === messageId);
    if (!message) return;
    this.#messages.splice(this.#messages.indexOf(message), 1);
    message.reject(error);
  }

  /** What was accepted, and is none of the conversation's turns: that was deleted, and may have begun anew. */
  #dropDeleted(first: number, latest: number): void {
    for (const { turn } of [...this.#messages]) {
      if (turn !== undefined && (turn < first || turn > latest)) this.#settle(turn, deleted(turn));
    }
  }

  #end(turn: number, end: Answer | HopstreamError): void {
    this.isRunning = false;
    this.#texts.delete(turn);
    this.#ended.add(turn);
    if (this.#unaccepted.length > 0) this.#ends.set(turn, end);
    this.#settle(turn, end);
  }

  #settle(turn: number, end: Answer | HopstreamError): void {
    const settled = this.#messages.filter((message) => message.turn === turn);
    this.#messages = this.#messages.filter((message) => message.turn !== turn);
    for (const { resolve, reject } of settled) {
      if (end instanceof HopstreamError) reject(end);
      else resolve(end);
    }
  }
}

function deleted(turn: number): HopstreamError {
  return new HopstreamError(`turn ${turn} was deleted with its conversation`, { code: "not_found" });
}

function alreadyTold(turn: number): HopstreamError {
  const message = `this message was sent before, and some of its turn, ${turn}, was told before: read the conversation`;
  return new HopstreamError(message, { code: "already_told" });
}
