import { expect, test } from "vitest";
import type { ReadyEvent } from "../../src/events.ts";
import { Place } from "../../src/place.ts";

test("narrations are heard of a conversation that was deleted, and begins anew", () => {
  const place = new Place(undefined);
  const narration = (seq: number) =>
    place.advance({ type: "narration", seq, eventId: seq, source: "c", message: "", at: "", conversationId: "c" });
  const ready = (narratorSeq: number) => place.advance({ type: "ready", status: "idle", narratorSeq } as ReadyEvent);
  ready(5);
  expect([narration(5), narration(6)]).toEqual([false, true]);
  ready(7); // what was missed comes
  expect(narration(7)).toBe(true);
  ready(1);
  expect([narration(1), narration(2)]).toEqual([false, true]);
});
