// A conversation of the fake Hopstream: its turns, one after another, and the tape of each.

import { setImmediate } from "node:timers/promises";
import type { Gates } from "./gates.ts";
import { token, type Script } from "./script.ts";

export interface Frame {
  type: string;
  id?: string;
  [member: string]: any;
}

type Place = [turn: number, attempt: number, position: number];

export class Turn {
  readonly number: number;
  readonly script: Script;
  attempt = 1;
  tape: Frame[] = [];
  isOver = false;
  isCancelled = false;
  #position = 0;
  readonly #conversation: Conversation;

  constructor(conversation: Conversation, number: number, script: Script) {
    this.#conversation = conversation;
    this.number = number;
    this.script = script;
  }

  emit(frame: Frame): void {
    const id = `${this.number}.${this.attempt}.${this.#position}`;
    const placed = { ...frame, conversationId: this.#conversation.id, turn: this.number, id };
    this.tape.push(placed);
    for (const listen of this.#conversation.listeners) listen(placed);
  }

  grow(text: string): void {
    this.#position += text.length;
    this.emit({ type: "token", token: text });
  }

  end(frame: Frame): void {
    this.#position += 1;
    this.isOver = true;
    this.emit(frame);
  }

  /** As after the loss of a worker. */
  restart(): void {
    this.attempt += 1;
    this.tape = [];
    this.#position = 0;
    this.emit({ type: "restart", attempt: this.attempt, reason: "worker_lost", model: "mock" });
  }
}

export class Conversation {
  readonly id: string;
  readonly turns: Turn[] = [];
  readonly listeners = new Set<(frame: Frame) => void>();
  readonly #byMessage = new Map<string, Turn>();
  readonly #gates: Gates;
  readonly #before: number;
  #latest: Promise<void> = Promise.resolve();

  /** `before`: the last number of a deleted conversation of this name. */
  constructor(id: string, gates: Gates, before = 0) {
    this.id = id;
    this.#gates = gates;
    this.#before = before;
  }

  get last(): number {
    return this.#before + this.turns.length;
  }

  get unfinished(): Turn[] {
    return this.turns.filter((turn) => !turn.isOver);
  }

  ask(messageId: string | undefined, script: Script): { turn: Turn; isDuplicate: boolean } {
    const known = messageId && this.#byMessage.get(messageId);
    if (known) return { turn: known, isDuplicate: true };
    const turn = new Turn(this, this.last + 1, script);
    this.turns.push(turn);
    if (messageId) this.#byMessage.set(messageId, turn);
    this.#latest = this.#latest.then(() => this.#answer(turn));
    return { turn, isDuplicate: false };
  }

  stop(): void {
    for (const turn of this.unfinished) turn.isCancelled = true;
    this.#gates.wake();
  }

  /** Begins the running turn again. */
  restart(): void {
    this.unfinished[0]!.restart();
    this.#gates.wake();
  }

  /** What a client has not seen that has seen everything up to the cursor. Undefined where that lies beyond the end. */
  after(cursor: string | undefined): Frame[] | undefined {
    if (this.turns.length === 0) return [];
    if (cursor === undefined) return this.unfinished.flatMap(({ tape }) => tape);
    const seen = placeOf(cursor);
    if (seen[0] <= this.#before || seen[0] > this.last) return undefined;
    return this.turns.flatMap(({ tape }) => tape).filter(({ id }) => isBehind(placeOf(id!), seen));
  }

  async #answer(turn: Turn): Promise<void> {
    const { script } = turn;
    turn.emit({ type: "start", attempt: turn.attempt, model: "mock" });
    let { attempt } = turn;
    let count = 0;
    while (count < script.tokens && !turn.isCancelled) {
      await setImmediate();
      if (attempt !== turn.attempt) {
        attempt = turn.attempt;
        count = 0;
      } else if (count < this.#gates.limitOf(script.id, script.holdAfter)) {
        turn.grow(token(count++));
      } else {
        await this.#gates.moved();
      }
    }
    turn.end(endOf(turn));
  }
}

function endOf({ script, isCancelled }: Turn): Frame {
  if (script.isFailing) {
    return { type: "error", code: "provider_error", message: "the model's service failed", retryable: true };
  }
  const usage = { inputTokens: 1, outputTokens: script.tokens };
  return { type: "done", finishReason: isCancelled ? "cancelled" : "stop", usage, model: "mock" };
}

function placeOf(cursor: string): Place {
  return cursor.split(".").map(Number) as Place;
}

function isBehind(place: Place, seen: Place): boolean {
  const [turn, attempt, position] = place.map((number, index) => number - seen[index]!) as Place;
  return (turn || attempt || position) > 0;
}
