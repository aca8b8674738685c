import { expect, test } from "vitest";
import { EventStream } from "../../src/event_stream.ts";
import type { ChatEvent } from "../../src/index.ts";

const event = (index: number): ChatEvent => ({ type: "queued", conversationId: "c", turn: 1, position: index });

test("a loop that falls far behind gets what was kept, and then an error", async () => {
  const stream = new EventStream();
  for (let index = 0; index <= 10_000; index++) stream.push(event(index));
  stream.push(event(-1));
  const heard: ChatEvent[] = [];
  const reading = (async () => {
    for await (const event of stream.read(() => {})) heard.push(event);
  })();
  await expect(reading).rejects.toMatchObject({ code: "too_slow" });
  expect(heard).toHaveLength(10_000);
  expect(heard.at(-1)).toEqual(event(9_999));
});

test("a loop that waits gets each event as it comes, and is left when it leaves", async () => {
  const stream = new EventStream();
  let hasLeft = false;
  const events = stream.read(() => (hasLeft = true));
  const next = events.next();
  stream.push(event(1));
  expect(await next).toEqual({ done: false, value: event(1) });
  await events.return();
  expect(hasLeft).toBe(true);
});
