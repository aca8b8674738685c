import { createServer, type AddressInfo } from "node:net";
import { expect } from "vitest";
import { HopstreamError, requestTicket, streamChat } from "../../src/index.ts";
import { eventually, test, typesOf } from "./harness.ts";

test("a stream is open once the server is ready, and not before", async ({ hopstream, open }) => {
  let beReady!: () => void;
  hopstream.spoil({ readyWhen: new Promise((resolve) => (beReady = resolve)) });
  const opening = open();
  let isOpen = false;
  void opening.then(() => (isOpen = true));
  await eventually(() => expect(hopstream.received).toHaveLength(1));
  expect(isOpen).toBe(false);
  beReady();
  const { chat, states, events } = await opening;
  expect([states, typesOf(events), chat.conversationId]).toEqual([["connecting", "open"], ["ready"], "c1"]);
});

test("a server that cannot be reached rejects, and is not asked again", async ({ hopstream }) => {
  const nobody = createServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => nobody.once("listening", resolve));
  const { port } = nobody.address() as AddressInfo;
  await new Promise((resolve) => nobody.close(resolve));
  const opening = streamChat({ backendUrl: `ws://127.0.0.1:${port}/ws/chat`, agentId: "planner" });
  await expect(opening).rejects.toThrow(HopstreamError);
  await expect(opening).rejects.toMatchObject({ code: "connection_lost", retryable: true });
  expect(hopstream.sessions).toEqual([]);
});

test("an upgrade that is refused rejects", async ({ hopstream, open }) => {
  hopstream.spoil({ refuse: 503 });
  await expect(open()).rejects.toMatchObject({ code: "connection_lost" });
});

test("a handshake that is refused rejects with the server's words", async ({ open }) => {
  const refused = open({ agentId: "nobody" });
  await expect(refused).rejects.toMatchObject({ code: "not_found", status: 404, retryable: false });
  await expect(refused).rejects.toThrow("there is no agent nobody");
});

test("a server that is never ready is not waited for without end", async ({ hopstream, open }) => {
  hopstream.spoil({ readyWhen: new Promise(() => {}) });
  await expect(open({ idleTimeout: 100 })).rejects.toThrow("nothing has come for 0.1 s");
});

test("an address that is none rejects", async ({ open }) => {
  await expect(open({ backendUrl: "nowhere" })).rejects.toThrow(/invalid url/i);
});

test("an API key opens a stream by a ticket, and another one for each connection", async ({ hopstream, open }) => {
  hopstream.key = "secret";
  await expect(open()).rejects.toMatchObject({ code: "close_4401", status: 401 });
  await expect(open({ token: "wrong" })).rejects.toMatchObject({ code: "unauthorized", status: 401 });
  const { states } = await open({ token: "secret" });
  hopstream.sessions[0]!.socket.terminate();
  await eventually(() => expect(states).toEqual(["connecting", "open", "reconnecting", "open"]));
});

test("a ticket that is not accepted is asked for once more, and then no more", async ({ hopstream, open }) => {
  hopstream.key = "secret";
  const good = () => requestTicket(hopstream.chatUrl, { token: "secret" });
  const tickets = ["stale", await good(), "stale", await good()];
  const { chat } = await open({ ticket: async () => tickets.shift() ?? "stale" });
  await chat.sendMessage({ message: "hello" });
  hopstream.sessions[0]!.socket.terminate();
  await chat.sendMessage({ message: "again" });
  hopstream.sessions[1]!.socket.terminate();
  await expect(chat.sendMessage({ message: "and again" })).rejects.toMatchObject({ code: "close_4401", status: 401 });
});

test("a ticket that cannot be had is tried again, unless it is refused", async ({ hopstream, open }) => {
  hopstream.key = "secret";
  let tries = 0;
  const ticket = async (): Promise<string> => {
    tries += 1;
    if (tries === 2) throw new TypeError("the network is away");
    return requestTicket(hopstream.chatUrl, { token: tries === 4 ? "revoked" : "secret" });
  };
  const { chat } = await open({ ticket });
  hopstream.sessions[0]!.socket.terminate();
  await chat.sendMessage({ message: "hello" });
  expect(tries).toBe(3);
  hopstream.sessions[1]!.socket.terminate();
  await expect(chat.sendMessage({ message: "again" })).rejects.toMatchObject({ code: "unauthorized" });
});

test("a ticket that never comes is not waited for without end", async ({ open }) => {
  const opening = open({ ticket: () => new Promise(() => {}), idleTimeout: 100 });
  await expect(opening).rejects.toMatchObject({ code: "timeout", retryable: true });
});

test("a signal that is aborted opens nothing", async ({ hopstream, open }) => {
  const reason = new Error("enough");
  await expect(open({ signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
  hopstream.spoil({ readyWhen: new Promise(() => {}) });
  const controller = new AbortController();
  const opening = open({ signal: controller.signal });
  await eventually(() => expect(hopstream.received).toHaveLength(1));
  controller.abort(reason);
  await expect(opening).rejects.toBe(reason);
  await eventually(() => expect(hopstream.closings).toEqual([1000]));
});
