import { setImmediate } from "node:timers/promises";
import { expect } from "vitest";
import { numbered } from "../fake/script.ts";
import { eventually, shown, test, typesOf } from "./harness.ts";

const HELD = { model: "mock?tokens=20&hold_after=3&id=held" };

test("stop cancels what runs and waits, and then closes", async ({ hopstream, open }) => {
  const { chat, events, states } = await open({ options: HELD });
  const answers = [chat.sendMessage({ message: "one" }), chat.sendMessage({ message: "two" })];
  await eventually(() => expect(shown(events)).toBe(numbered(3)));
  const stopping = chat.stop();
  await expect(chat.sendMessage({ message: "too late" })).rejects.toMatchObject({ code: "closed" });
  await stopping;
  expect(await Promise.all(answers)).toMatchObject([
    { text: numbered(3), finishReason: "cancelled" },
    { text: "", finishReason: "cancelled" },
  ]);
  await eventually(() => expect(hopstream.closings).toEqual([1000]));
  expect(states).toEqual(["connecting", "open", "closed"]);
  expect(hopstream.framesOf("message")).toHaveLength(2);
});

test("stop tells the server before it closes, where nothing of ours runs", async ({ hopstream, open }) => {
  const other = await open({ options: HELD });
  const answer = other.chat.sendMessage({ message: "one" });
  await eventually(() => expect(shown(other.events)).toBe(numbered(3)));
  const { chat } = await open({ conversationId: other.chat.conversationId });
  await chat.stop();
  expect((await answer).finishReason).toBe("cancelled");
  await eventually(() => expect(hopstream.closings).toEqual([1000]));
});

test("stop is delivered though the connection is away", async ({ hopstream, open }) => {
  let comeBack!: () => void;
  hopstream.spoil({}, { readyWhen: new Promise((resolve) => (comeBack = resolve)) });
  const { chat, events, states } = await open({ options: HELD });
  const answer = chat.sendMessage({ message: "one" });
  await eventually(() => expect(shown(events)).toBe(numbered(3)));
  hopstream.sessions[0]!.socket.terminate();
  await eventually(() => expect(states.at(-1)).toBe("reconnecting"));
  const stopping = chat.stop();
  comeBack();
  await stopping;
  expect((await answer).finishReason).toBe("cancelled");
  expect(hopstream.conversation(chat.conversationId).unfinished).toEqual([]);
});

test("stop needs no connection where nothing runs", async ({ hopstream, open }) => {
  hopstream.spoil({}, { readyWhen: new Promise(() => {}) });
  const { chat, states } = await open();
  hopstream.sessions[0]!.socket.terminate();
  await eventually(() => expect(states.at(-1)).toBe("reconnecting"));
  await chat.stop();
  expect(states.at(-1)).toBe("closed");
});

test("a stop that cannot be delivered says so", async ({ hopstream, open }) => {
  const { chat, events } = await open({ options: HELD, reconnect: { retries: 1, minDelay: 1 } });
  const answer = chat.sendMessage({ message: "one" });
  await eventually(() => expect(shown(events)).toBe(numbered(3)));
  await hopstream.stop();
  await expect(chat.stop()).rejects.toMatchObject({ code: "connection_lost" });
  await expect(answer).rejects.toMatchObject({ code: "connection_lost" });
  await hopstream.start();
});

test("close cancels nothing", async ({ hopstream, open }) => {
  const { chat, events } = await open({ options: HELD });
  const answer = chat.sendMessage({ message: "one" });
  await eventually(() => expect(shown(events)).toBe(numbered(3)));
  chat.close();
  await expect(answer).rejects.toMatchObject({ code: "closed" });
  hopstream.gates.move("held");
  const [turn] = hopstream.conversation(chat.conversationId).turns;
  await eventually(() => expect(turn!.tape.at(-1)).toMatchObject({ type: "done", finishReason: "stop" }));
  expect(hopstream.framesOf("stop")).toEqual([]);
  expect(hopstream.closings).toEqual([1000]);
});

test("a message that nobody waits for may fail", async ({ open }) => {
  const unhandled: unknown[] = [];
  const note = (error: unknown): unknown => unhandled.push(error);
  process.on("unhandledRejection", note);
  const { chat, events } = await open({ options: HELD });
  chat.sendMessage({ message: "one" });
  await eventually(() => expect(shown(events)).toBe(numbered(3)));
  chat.close();
  chat.sendMessage({ message: "two" });
  await setImmediate();
  process.off("unhandledRejection", note);
  expect(unhandled).toEqual([]);
});

test("a signal closes, and its reason is what promises reject with", async ({ hopstream, open }) => {
  const controller = new AbortController();
  const { chat, error, states } = await open({ options: HELD, signal: controller.signal });
  const answer = chat.sendMessage({ message: "one" });
  const reason = new Error("enough");
  controller.abort(reason);
  await expect(answer).rejects.toBe(reason);
  expect([states.at(-1), error]).toEqual(["closed", undefined]);
  await eventually(() => expect(hopstream.closings).toEqual([1000]));
  expect(hopstream.framesOf("stop")).toEqual([]);
});

test("a stream is closed with the block that uses it", async ({ hopstream, open }) => {
  const { chat } = await open();
  {
    await using _ = chat;
  }
  await eventually(() => expect(hopstream.closings).toEqual([1000]));
});

test("a loop hears everything from the opening on, and leaving it closes nothing", async ({ open }) => {
  const { chat, events } = await open({ options: { model: "mock?tokens=4" } });
  const loop = chat.events();
  void chat.sendMessage({ message: "one" });
  const heard: unknown[] = [];
  for await (const event of loop) {
    heard.push(event);
    if (event.type === "done") break;
  }
  expect(heard).toEqual(events.slice(1));
  expect((await chat.sendMessage({ message: "two" })).turn).toBe(2);
  const rest = chat.events();
  chat.close();
  expect(await Array.fromAsync(rest)).toEqual([]);
  expect(await Array.fromAsync(chat.events())).toEqual([]);
});

test("what the server says together with its first word is in the loop, too", async ({ open }) => {
  const before = await open();
  await before.chat.sendMessage({ message: "one" });
  const { chat } = await open({ conversationId: before.chat.conversationId, resume: "1.0.0" });
  const types: string[] = [];
  for await (const { type } of chat.events()) {
    types.push(type);
    if (type === "done") break;
  }
  expect(types).toEqual(["start", ...Array(30).fill("token"), "done"]);
  expect(typesOf(before.events).slice(2)).toEqual(types);
});
