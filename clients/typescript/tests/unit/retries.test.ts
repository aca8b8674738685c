import { expect, test, vi } from "vitest";
import { Retries } from "../../src/retries.ts";

/** Until there have been enough. */
function delaysOf(retries: Retries): number[] {
  const delays: number[] = [];
  for (let delay; (delay = retries.next(false)) !== undefined;) delays.push(delay);
  return delays;
}

test("pauses double up to a limit, and end", () => {
  vi.spyOn(Math, "random").mockReturnValue(1);
  expect(delaysOf(new Retries())).toEqual([500, 1_000, 2_000, 4_000, ...Array(6).fill(8_000)]);
});

test("pauses are full of jitter", () => {
  vi.spyOn(Math, "random").mockReturnValueOnce(0).mockReturnValueOnce(0.5).mockReturnValueOnce(0.25);
  expect(delaysOf(new Retries({ retries: 3, minDelay: 100 }))).toEqual([0, 100, 100]);
});

test("who got somewhere begins anew", () => {
  vi.spyOn(Math, "random").mockReturnValue(1);
  const retries = new Retries({ retries: 2 });
  expect(delaysOf(retries)).toEqual([500, 1_000]);
  retries.reset();
  expect(delaysOf(retries)).toEqual([500, 1_000]);
});

test("a server is not asked earlier than it wants", () => {
  vi.spyOn(Math, "random").mockReturnValue(0);
  expect(new Retries().next(false, 3)).toBe(3_000);
});

test("at once is once", () => {
  vi.spyOn(Math, "random").mockReturnValue(1);
  const retries = new Retries();
  expect([retries.next(true), retries.next(true)]).toEqual([0, 1_000]);
});

test("no retries are no retries", () => {
  expect(new Retries(false).next(true)).toBeUndefined();
});
