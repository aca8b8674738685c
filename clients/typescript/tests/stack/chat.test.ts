import { randomUUID } from "node:crypto";
import { afterEach, beforeEach, describe, expect, inject, test, vi } from "vitest";
import { WebSocket as WsSocket } from "ws";
import {
  deleteAgent,
  streamChat,
  updateAgent,
  type ChatEvent,
  type ChatStream,
  type SocketFactory,
} from "../../src/index.ts";
import { numbered } from "../fake/script.ts";
import { ofServer, strange } from "../schema.ts";
import { Line } from "./line.ts";

const SOON = { timeout: 60_000, interval: 10 };
const TOKENS = 30;
const SOCKETS: [name: string, socketFactory: SocketFactory | undefined][] = [
  ["Node.js's own", undefined],
  ["one of ws", (url, protocols) => new WsSocket(url, protocols)],
];

describe.each(SOCKETS)("over a WebSocket, %s,", (_, socketFactory) => {
  const token = inject("key");
  const target = { baseUrl: inject("url"), token };
  const agentId = `t${randomUUID().slice(0, 8)}`;
  let line: Line;
  let held: string;
  let events: ChatEvent[];
  let chats: ChatStream[];

  beforeEach(async () => {
    line = await new Line(inject("url")).open();
    held = randomUUID();
    events = [];
    chats = [];
    await updateAgent({ id: agentId, name: "Test", system_prompt: "Be brief." }, target);
  });

  afterEach(async () => {
    for (const chat of chats) chat.close();
    line.close();
    expect(strange(events, ofServer)).toEqual([]);
    await deleteAgent(agentId, target);
  });

  async function open(
    more: { conversationId?: string; resume?: string | undefined; idleTimeout?: number } = {},
  ): Promise<ChatStream> {
    const chat = await streamChat({
      backendUrl: `${line.url.replace("http", "ws")}/ws/chat`,
      agentId,
      socketFactory,
      token,
      options: { model: `mock?tokens=${TOKENS}` },
      reconnect: { minDelay: 10, maxDelay: 100, retries: 1_000 },
      onEvent: (event) => events.push(event),
      ...more,
    });
    chats.push(chat);
    return chat;
  }

  /** Of a model that says no more until it is let go on. */
  function holding(tokens: number): { model: string } {
    return { model: `mock?tokens=${TOKENS}&hold_after=${tokens}&id=${held}` };
  }

  async function letGoOn(tokens: number | "" = ""): Promise<void> {
    await fetch(`${inject("mockUrl")}/release/${held}/${tokens}`.replace(/\/$/, ""), { method: "POST" });
  }

  async function shows(text: string): Promise<void> {
    await vi.waitFor(() => expect(shown(events)).toBe(text), SOON);
  }

  test("turn after turn is answered", async () => {
    const { sendMessage, conversationId } = await open();
    const answers = await Promise.all(["one", "two", "three"].map((message) => sendMessage({ message })));
    const answer = { conversationId, text: numbered(TOKENS), finishReason: "stop" };
    expect(answers).toMatchObject([1, 2, 3].map((turn) => ({ turn, ...answer })));
    expect(answers[0]!.usage).toMatchObject({ inputTokens: expect.any(Number), outputTokens: expect.any(Number) });
    expect(shown(events)).toBe(numbered(TOKENS).repeat(3));
  });

  test("an answer survives lost connections", async () => {
    const { sendMessage } = await open();
    const answer = sendMessage({ message: "hello", options: holding(5) });
    for (const tokens of [5, 10, 20]) {
      await letGoOn(tokens);
      await shows(numbered(tokens));
      line.cut();
    }
    await letGoOn();
    expect((await answer).text).toBe(numbered(TOKENS));
    expect(shown(events)).toBe(numbered(TOKENS));
  });

  test("an answer survives a connection that is frozen", async () => {
    const { sendMessage } = await open({ idleTimeout: 2_000 });
    const answer = sendMessage({ message: "hello", options: holding(5) });
    await shows(numbered(5));
    line.freeze();
    await letGoOn();
    expect((await answer).text).toBe(numbered(TOKENS));
    expect(shown(events)).toBe(numbered(TOKENS));
  });

  test("messages are answered that were sent while there was no connection", async () => {
    const { sendMessage } = await open();
    line.refuse();
    const answers = ["one", "two"].map((message) => sendMessage({ message }));
    line.welcome();
    expect((await Promise.all(answers)).map(({ turn, text }) => [turn, text])).toEqual([
      [1, numbered(TOKENS)],
      [2, numbered(TOKENS)],
    ]);
  });

  test("a message is answered once, however often it is sent", async () => {
    const { sendMessage } = await open();
    const messageId = randomUUID();
    const [first, second] = await Promise.all([1, 2].map(() => sendMessage({ message: "hello", messageId })));
    expect(second).toEqual(first);
    expect((await sendMessage({ message: "again" })).turn).toBe(2);
  });

  test("stop cancels what runs", async () => {
    const { sendMessage, stop, conversationId } = await open();
    const answer = sendMessage({ message: "hello", options: holding(3) });
    await shows(numbered(3));
    await stop();
    expect(await answer).toMatchObject({ finishReason: "cancelled" });
    await letGoOn();
    events = [];
    const { sendMessage: sendAnother } = await open({ conversationId });
    expect((await sendAnother({ message: "again" })).turn).toBe(2);
    await shows(numbered(TOKENS));
  });

  test("another stream goes on from the place that one has left", async () => {
    const first = await open();
    first.sendMessage({ message: "hello", options: holding(7) });
    await shows(numbered(7));
    const { conversationId, cursor } = first;
    first.close();
    await letGoOn();
    const second = await open({ conversationId, resume: cursor });
    await shows(numbered(TOKENS));
    expect((await second.sendMessage({ message: "again" })).turn).toBe(2);
  });

  test("an agent that is unknown is refused", async () => {
    const backendUrl = `${inject("url").replace("http", "ws")}/ws/chat`;
    const unknown = streamChat({ backendUrl, agentId: "nobody", socketFactory, token });
    await expect(unknown).rejects.toMatchObject({ status: 404, retryable: false });
  });
});

function shown(events: ChatEvent[]): string {
  let text = "";
  for (const event of events) {
    if (event.type === "restart") text = "";
    if (event.type === "token") text += event.token;
  }
  return text;
}
