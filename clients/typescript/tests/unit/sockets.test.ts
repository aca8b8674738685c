import { afterEach, expect, test, vi } from "vitest";
import { streamChat, type SocketLike } from "../../src/index.ts";

const READY = {
  type: "ready",
  protocol: 1,
  conversationId: "c1",
  turn: null,
  status: "idle",
  pingSeconds: 15,
  narratorSeq: 0,
};
const OPTIONS = { backendUrl: "ws://fake/ws/chat", agentId: "planner" };

afterEach(() => {
  vi.useRealTimers();
});

/** As simple as a socket can be: no EventTarget, no constants. */
class PlainSocket implements SocketLike {
  onopen?: () => void;
  onmessage?: (event: { data: string }) => void;
  onerror?: (event: { message?: string }) => void;
  onclose?: (event: { code?: number }) => void;
  readonly sent: { type: string }[] = [];
  readonly closings: (number | undefined)[] = [];
  readyState: number;

  constructor(readyState = 0) {
    this.readyState = readyState;
  }

  send(data: string): void {
    this.sent.push(JSON.parse(data));
  }

  close(code?: number): void {
    this.closings.push(code);
    this.onclose?.({});
  }

  say(frame: object): void {
    this.onmessage!({ data: JSON.stringify(frame) });
  }
}

test("a socket may have on-properties alone, and be opened by its maker's hand", async () => {
  const socket = new PlainSocket();
  const opening = streamChat({ ...OPTIONS, socketFactory: () => socket });
  expect(socket.sent).toEqual([]);
  socket.onopen!();
  expect(socket.sent).toMatchObject([{ type: "handshake", agentId: "planner" }]);
  socket.say(READY);
  const { sendMessage, stop } = await opening;
  const answer = sendMessage({ message: "hello", messageId: "m" });
  socket.say({ type: "accepted", messageId: "m", turn: 1 });
  socket.say({ type: "done", turn: 1, conversationId: "c1", finishReason: "stop", usage: null, id: "1.1.1" });
  expect(await answer).toEqual({ turn: 1, conversationId: "c1", text: "", finishReason: "stop", usage: null });
  await stop();
  expect(socket.sent.map(({ type }) => type)).toEqual(["handshake", "message", "stop"]);
  expect(socket.closings).toEqual([1000]);
});

test("a socket may be open already", async () => {
  const socket = new PlainSocket(1);
  const opening = streamChat({ ...OPTIONS, socketFactory: () => socket });
  expect(socket.sent).toHaveLength(1);
  socket.say(READY);
  (await opening).close();
});

test("a socket that only tells of an error is lost", async () => {
  const socket = new PlainSocket();
  const opening = streamChat({ ...OPTIONS, socketFactory: () => socket });
  socket.onerror!({ message: "connect ECONNREFUSED" });
  await expect(opening).rejects.toThrow("connect ECONNREFUSED");
});

test("turns that were stopped and do not end are not waited for without end", async () => {
  vi.useFakeTimers();
  const socket = new PlainSocket(1);
  const opening = streamChat({ ...OPTIONS, socketFactory: () => socket });
  socket.say(READY);
  const { sendMessage, stop } = await opening;
  const answer = sendMessage({ message: "hello" });
  const stopping = stop();
  expect(socket.closings).toEqual([]);
  vi.advanceTimersByTime(5_000);
  await stopping;
  await expect(answer).rejects.toMatchObject({ code: "closed" });
  expect(socket.closings).toEqual([1000]);
});

test("a connection may be silent for two and a half pings", async () => {
  vi.useFakeTimers();
  const socket = new PlainSocket(1);
  const opening = streamChat({ ...OPTIONS, socketFactory: () => socket, reconnect: false });
  socket.say({ ...READY, pingSeconds: 4 });
  const { sendMessage } = await opening;
  const answer = sendMessage({ message: "hello" });
  vi.advanceTimersByTime(9_999);
  socket.say({ type: "ping" });
  vi.advanceTimersByTime(9_999);
  expect(socket.closings).toEqual([]);
  vi.advanceTimersByTime(1);
  await expect(answer).rejects.toThrow("nothing has come for 10 s");
  expect(socket.closings).toEqual([1000]);
});

test("members that a newer server adds are passed over", async () => {
  const socket = new PlainSocket(1);
  const opening = streamChat({ ...OPTIONS, socketFactory: () => socket });
  socket.say({ ...READY, id: "0.9.9", other: {} });
  (await opening).close();
});

test("where there is no WebSocket, the error names socketFactory", async () => {
  vi.stubGlobal("WebSocket", undefined);
  await expect(streamChat(OPTIONS)).rejects.toMatchObject({
    code: "no_websocket",
    message: expect.stringContaining("socketFactory"),
  });
});

test("subprotocols are offered: ours, and the ticket", async () => {
  const offered: string[][] = [];
  const socketFactory = (_: string, protocols: string[]): SocketLike => {
    offered.push(protocols);
    return new PlainSocket();
  };
  void streamChat({ ...OPTIONS, socketFactory, idleTimeout: 1 }).catch(() => {});
  await streamChat({ ...OPTIONS, socketFactory, idleTimeout: 1, ticket: async () => "t" }).catch(() => {});
  expect(offered).toEqual([["hopstream.v1"], ["hopstream.v1", "hopstream.ticket.t"]]);
});
