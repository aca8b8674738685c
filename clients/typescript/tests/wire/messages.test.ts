import { describe, expect } from "vitest";
import { HopstreamError, streamChat } from "../../src/index.ts";
import { numbered } from "../fake/script.ts";
import { eventually, shown, test, typesOf, type Open } from "./harness.ts";

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
  const answers = [3, 4, 5].map((tokens) =>
    chat.sendMessage({ message: "hi", options: { model: `mock?tokens=${tokens}` } }),
  );
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

test("one id is one message, however often it is sent", async ({ hopstream, open }) => {
  const { chat } = await open();
  const send = () => chat.sendMessage({ message: "hello", messageId: "same" });
  const [first, second] = await Promise.all([send(), send()]);
  expect([second, await send()]).toEqual([first, first]);
  expect(hopstream.framesOf("message")).toHaveLength(1);
});

test("a message that has failed can be sent again under its id", async ({ hopstream, open }) => {
  const { chat } = await open({ options: { model: "mock?hold_after=1&id=full" } });
  const waiting = Array.from({ length: 9 }, () => chat.sendMessage({ message: "hello" }));
  const refused = chat.sendMessage({ message: "hello", messageId: "mine" });
  await expect(refused).rejects.toMatchObject({ code: "conversation_busy" });
  hopstream.gates.move("full");
  await Promise.all(waiting);
  expect((await chat.sendMessage({ message: "hello", messageId: "mine" })).turn).toBe(10);
});

describe("a message that an earlier stream has sent", () => {
  async function heardBefore(open: Open): Promise<{ conversationId: string; end: string | undefined }> {
    const { chat } = await open();
    await chat.sendMessage({ message: "hello", messageId: "known" });
    await chat.sendMessage({ message: "and then" });
    return { conversationId: chat.conversationId, end: chat.cursor };
  }

  test.for(["1.1.241", "end", undefined])(
    "is told again and whole to one that goes on from %s",
    async (place, { open }) => {
      const { conversationId, end } = await heardBefore(open);
      const { chat, events } = await open({ conversationId, resume: place === "end" ? end : place });
      expect(await chat.sendMessage({ message: "hello", messageId: "known" })).toMatchObject({
        turn: 1,
        text: numbered(30),
      });
      expect(shown(events)).toBe(numbered(30));
      expect(events).toContainEqual(expect.objectContaining({ type: "accepted", duplicate: true }));
      expect((await chat.sendMessage({ message: "again" })).turn).toBe(3);
      expect([shown(events, 1), shown(events, 3)]).toEqual([numbered(30), numbered(30)]);
    },
  );

  test("is told again though the connection is lost meanwhile", async ({ hopstream, open }) => {
    const { conversationId, end: resume } = await heardBefore(open);
    hopstream.spoil(
      { after: 9, act: ({ socket }) => socket.terminate() },
      { after: 20, act: ({ socket }) => socket.terminate() },
    );
    const { chat, events } = await open({ conversationId, resume });
    expect(await chat.sendMessage({ message: "hello", messageId: "known" })).toMatchObject({
      turn: 1,
      text: numbered(30),
    });
    expect(shown(events)).toBe(numbered(30));
    expect(chat.cursor).toBe(resume);
  });

  test("is not answered by a part of its text", async ({ open }) => {
    const { conversationId } = await heardBefore(open);
    const { chat, events } = await open({ conversationId, resume: "1.1.160" });
    const answer = chat.sendMessage({ message: "hello", messageId: "known" });
    await expect(answer).rejects.toMatchObject({ code: "already_told" });
    expect(shown(events)).toBe(numbered(30).slice(160));
  });

  test("is not waited for where this one has heard it", async ({ open }) => {
    const other = await open();
    const { chat, events } = await open({ conversationId: other.chat.conversationId });
    await other.chat.sendMessage({ message: "hello", messageId: "theirs" });
    await eventually(() => expect(typesOf(events)).toContain("done"));
    const answer = chat.sendMessage({ message: "hello", messageId: "theirs" });
    await expect(answer).rejects.toMatchObject({ code: "already_told" });
  });
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
  hopstream.sessions[0]!.socket.send('{"type":"summary","text":"so far"}');
  hopstream.sessions[0]!.send({ type: "ping" });
  await chat.sendMessage({ message: "hello" });
  expect(events).toContainEqual({ type: "summary", text: "so far" });
  expect(typesOf(events)).not.toContain("ping");
});

test("a narration is heard once", async ({ hopstream, open }) => {
  const { chat, events } = await open();
  const narration = {
    type: "narration",
    eventId: 1,
    source: "controller",
    message: "look",
    at: "2026-01-01T00:00:00Z",
  };
  for (const seq of [1, 2, 2, 1, 3])
    hopstream.sessions[0]!.send({ ...narration, seq, conversationId: chat.conversationId });
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
