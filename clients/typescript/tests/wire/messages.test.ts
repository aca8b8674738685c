import { expect } from "vitest";
import { HopstreamError, streamChat } from "../../src/index.ts";
import { numbered } from "../fake/script.ts";
import { eventually, shown, test, typesOf } from "./harness.ts";

test("a message's promise settles at the end of its turn", async ({ hopstream, open }) => {
  const { chat, events } = await open({ options: { model: "mock?tokens=20&hold_after=5&id=a" } });
  const answer = chat.sendMessage({ message: "hello" });
  let isSettled = false;
  void answer.then(() => (isSettled = true));
  await eventually(() => expect(shown(events)).toBe(numbered(5)));
  expect(isSettled).toBe(false);
  hopstream.gates.move("a");
  expect(await answer).toEqual({
    turn: 1,
    conversationId: chat.conversationId,
    text: numbered(20),
    finishReason: "stop",
    usage: { inputTokens: 1, outputTokens: 20 },
  });
  expect(shown(events)).toBe(numbered(20));
  expect(chat.cursor).toBe(`1.1.${20 * 8 + 1}`);
});

test("messages that nobody waits for are answered in their order", async ({ open }) => {
  const { chat, events } = await open();
  const answers = [3, 4, 5].map((tokens) => chat.sendMessage({ message: "hi", options: { model: `mock?tokens=${tokens}` } }));
  const turns = await Promise.all(answers);
  expect(turns.map(({ turn, text }) => [turn, text])).toEqual([3, 4, 5].map((tokens, i) => [i + 1, numbered(tokens)]));
  const heard = events.flatMap((event) => (event.type === "token" || event.type === "done" ? event.turn : []));
  expect(heard).toEqual([...Array(4).fill(1), ...Array(5).fill(2), ...Array(6).fill(3)]);
});

test("options and the message's id reach the server", async ({ hopstream, open }) => {
  const { chat } = await open({ options: { temperature: 0.2, maxNewTokens: 400 } });
  await chat.sendMessage({ message: "hello", options: { temperature: 0.1 }, messageId: "mine" });
  await chat.sendMessage({ message: "again" });
  const [handshake, mine, other] = hopstream.received;
  expect(handshake).toEqual({
    type: "handshake",
    protocol: 1,
    agentId: "planner",
    options: { temperature: 0.2, maxNewTokens: 400 },
  });
  expect(mine).toEqual({ type: "message", message: "hello", messageId: "mine", options: { temperature: 0.1 } });
  expect(other!["messageId"]).toMatch(/^[\w-]{10,128}$/);
});

test("a turn that fails rejects its message with the server's code, and the stream goes on", async ({ open }) => {
  const { chat } = await open();
  const failed = chat.sendMessage({ message: "hello", options: { model: "mock?tokens=2&status=500" } });
  await expect(failed).rejects.toThrow(HopstreamError);
  await expect(failed).rejects.toMatchObject({ code: "provider_error", retryable: true, status: undefined });
  expect((await chat.sendMessage({ message: "again" })).turn).toBe(2);
});

test("a message that is refused rejects alone", async ({ hopstream, open }) => {
  const { chat } = await open({ options: { model: "mock?hold_after=1&id=busy" } });
  const answers = Array.from({ length: 10 }, () => chat.sendMessage({ message: "hello" }));
  await expect(answers[9]).rejects.toMatchObject({ code: "conversation_busy", retryable: true, retryAfter: 1 });
  hopstream.gates.move("busy");
  expect((await Promise.all(answers.slice(0, 9))).map(({ turn }) => turn)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9]);
});

test("one id is one turn, however often it is sent", async ({ hopstream, open }) => {
  const { chat } = await open();
  const twice = [chat.sendMessage({ message: "hello", messageId: "same" }), chat.sendMessage({ message: "hello", messageId: "same" })];
  const [first, second] = await Promise.all(twice);
  expect(second).toEqual(first);
  expect(hopstream.conversation(chat.conversationId).turns).toHaveLength(1);
});

test("a message that an earlier stream has sent and heard is not waited for", async ({ open }) => {
  const before = await open();
  await before.chat.sendMessage({ message: "hello", messageId: "known" });
  const { conversationId, cursor } = before.chat;
  for (const resume of [cursor, undefined]) {
    const { chat } = await open({ conversationId, resume });
    await expect(chat.sendMessage({ message: "hello", messageId: "known" })).rejects.toMatchObject({ code: "before_cursor" });
  }
});

test("a restart voids the text", async ({ hopstream, open }) => {
  const { chat, events } = await open({ options: { model: "mock?tokens=9&hold_after=4&id=again" } });
  const answer = chat.sendMessage({ message: "hello" });
  await eventually(() => expect(shown(events)).toBe(numbered(4)));
  hopstream.conversation(chat.conversationId).restart();
  hopstream.gates.move("again");
  expect((await answer).text).toBe(numbered(9));
  expect(shown(events)).toBe(numbered(9));
  expect(typesOf(events)).toContain("restart");
});

test("events of unknown types are passed on", async ({ hopstream, open }) => {
  const { chat, events } = await open();
  hopstream.sessions[0]!.send({ type: "summary", text: "so far" });
  hopstream.sessions[0]!.send({ type: "ping" });
  await chat.sendMessage({ message: "hello" });
  expect(events).toContainEqual({ type: "summary", text: "so far" });
  expect(typesOf(events)).not.toContain("ping");
});

test("a narration is heard once", async ({ hopstream, open }) => {
  const { chat, events } = await open();
  for (const seq of [1, 2, 2, 1, 3]) hopstream.sessions[0]!.send({ type: "narration", seq, message: `${seq}` });
  await chat.sendMessage({ message: "hello" });
  expect(events.flatMap((event) => (event.type === "narration" ? event.seq : []))).toEqual([1, 2, 3]);
  hopstream.sessions[0]!.socket.terminate();
  await eventually(() => expect(hopstream.framesOf("handshake")[1]).toMatchObject({ narratorSeq: 3 }));
});

test("a listener that throws is reported, and the stream goes on", async ({ hopstream }) => {
  const uncaught: unknown[] = [];
  const listeners = process.rawListeners("uncaughtException") as ((error: Error) => void)[];
  process.removeAllListeners("uncaughtException").on("uncaughtException", (error) => uncaught.push(error));
  const bug = new Error("a bug of the page");
  const onEvent = ({ type }: { type: string }): void => {
    if (type === "start") throw bug;
  };
  const chat = await streamChat({ backendUrl: hopstream.chatUrl, agentId: "planner", onEvent });
  expect((await chat.sendMessage({ message: "hello" })).text).toBe(numbered(30));
  chat.close();
  process.removeAllListeners("uncaughtException");
  for (const listener of listeners) process.on("uncaughtException", listener);
  expect(uncaught).toEqual([bug]);
});
