// The place up to which a conversation was heard, and so what has to come next.

import type { Frame } from "./connection.ts";
import { beginningOf, isBeginning, isSeen, lastTurnOf, turnOf } from "./cursor.ts";
import type { AcceptedEvent, ReadyEvent } from "./events.ts";

export const INVALID_CURSOR = "invalid_event_id"; // the code of an error

export class Place {
  cursor: string | undefined;
  narratorSeq: number | undefined;
  readonly #heard = new Set<number>();
  /** Turns before the cursor that are told from their start, with the place up to which each was heard. */
  readonly #again = new Map<number, string>();

  constructor(cursor: string | undefined) {
    this.cursor = cursor;
  }

  /** Whether the frame is to be heard. */
  advance(frame: Frame): boolean {
    switch (frame.type) {
      case "ready":
        return this.#begin(frame);
      case "accepted":
        return this.#expect(frame);
      case "narration":
        return this.#advanceNarrator(frame.seq);
      case "error":
        if (frame.code === INVALID_CURSOR) return this.#lose();
    }
    const id = "id" in frame && frame.id;
    return !id || this.#advanceTo(id);
  }

  #advanceTo(id: string): boolean {
    const turn = turnOf(id);
    const isAgain = this.#again.has(turn);
    if (this.#isSeen(id, isAgain ? this.#again.get(turn) : this.cursor)) return false;
    this.#heard.add(turn);
    if (isAgain) this.#again.set(turn, id);
    if (!this.#isSeen(id, this.cursor)) this.cursor = id;
    return true;
  }

  #isSeen(id: string, cursor: string | undefined): boolean {
    return cursor !== undefined && isSeen(id, cursor);
  }

  /** Without a cursor, and where nothing runs, what will be heard is what is not there yet. */
  #begin({ status, turn, narratorSeq }: ReadyEvent): true {
    if (status === "idle") this.cursor ??= beginningOf((turn ?? 0) + 1);
    this.narratorSeq = Math.min(this.narratorSeq ?? narratorSeq, narratorSeq); // less: the conversation began anew
    return true;
  }

  /** A turn that is accepted is told, also where it is not behind the cursor: */
  #expect({ turn, duplicate }: AcceptedEvent): true {
    const isBehind = this.cursor === undefined || turn > lastTurnOf(this.cursor);
    // The conversation was deleted, and begins anew.
    if (!isBehind && !duplicate) this.#beginAt(turn);
    // Its message was sent before this stream began.
    else if (!isBehind && !this.#heard.has(turn)) this.#again.set(turn, beginningOf(turn));
    return true;
  }

  #beginAt(turn: number): void {
    this.cursor = beginningOf(turn);
    this.#heard.clear();
    this.#again.clear();
  }

  #advanceNarrator(seq: number): boolean {
    if (seq <= (this.narratorSeq ?? 0)) return false;
    this.narratorSeq = seq;
    return true;
  }

  /** The server does not know it, and begins again. Nobody has to hear that where nothing was heard. */
  #lose(): boolean {
    if (this.cursor && isBeginning(this.cursor)) return false;
    this.cursor = undefined;
    return true;
  }
}
