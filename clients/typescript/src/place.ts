// The place up to which a conversation was heard, and so what has to come next.

import type { Frame } from "./connection.ts";
import { beginningOf, isBeginning, isSeen } from "./cursor.ts";
import type { ReadyEvent } from "./events.ts";

export const INVALID_CURSOR = "invalid_event_id"; // the code of an error

export class Place {
  cursor: string | undefined;
  narratorSeq: number | undefined;

  constructor(cursor: string | undefined) {
    this.cursor = cursor;
  }

  /** Whether the frame is to be heard. */
  advance(frame: Frame): boolean {
    if (frame.type === "ready") return this.#begin(frame);
    if (frame.type === "narration") return this.#advanceNarrator(frame.seq);
    if (frame.type === "error" && frame.code === INVALID_CURSOR) return this.#lose();
    const id = "id" in frame && frame.id;
    if (!id) return true;
    if (this.cursor && isSeen(id, this.cursor)) return false;
    this.cursor = id;
    return true;
  }

  /** Without a cursor, and where nothing runs, what will be heard is what is not there yet. */
  #begin({ status, turn, narratorSeq }: ReadyEvent): true {
    if (status === "idle") this.cursor ??= beginningOf((turn ?? 0) + 1);
    this.narratorSeq ??= narratorSeq;
    return true;
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
