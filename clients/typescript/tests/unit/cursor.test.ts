import { expect, test } from "vitest";
import { beginningOf, isSeen, lastTurnOf } from "../../src/cursor.ts";

test.for([
  ["1.1.5", "1.1.5", true],
  ["1.1.4", "1.1.5", true],
  ["1.1.10", "1.1.9", false],
  ["1.2.0", "1.1.9", false],
  ["2.1.0", "1.9.9", false],
  ["1.9.9", "2.1.0", true],
  ["1.1.0", beginningOf(1), false],
  ["some.other.form", "1.1.1", false],
] as const)("%s beside the cursor %s: seen is %s", ([id, cursor, seen]) => {
  expect(isSeen(id, cursor)).toBe(seen);
});

test("the beginning of a turn is behind the turn before", () => {
  expect([lastTurnOf(beginningOf(3)), lastTurnOf("3.1.0")]).toEqual([2, 3]);
});
