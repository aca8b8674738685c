import { expect, test, vi } from "vitest";
import { deleteAgent, getAgent, listAgents, requestTicket, updateAgent, type Agent } from "../../src/index.ts";

const BASE = "https://hopstream.example";
const AGENT: Agent = {
  id: "reviewer",
  name: "Reviewer",
  system_prompt: "You are Reviewer.",
  markdown_context: "",
  model: null,
  options: {},
  tools: [],
  owner: null,
  editable: true,
  etag: '"1"',
};

/** Stands for the network; gives what was asked: method, URL, headers, body. */
function answering(body: unknown, init: ResponseInit = {}): () => unknown[] {
  const text = body === undefined ? null : typeof body === "string" ? body : JSON.stringify(body);
  const send = vi.fn<typeof fetch>(async () => new Response(text, init));
  vi.stubGlobal("fetch", send);
  return () => {
    const [url, { method, headers, body } = {}] = send.mock.calls[0]!;
    return [
      method,
      url,
      Object.fromEntries(new Headers(headers)),
      typeof body === "string" ? JSON.parse(body) : undefined,
    ];
  };
}

test("agents are listed", async () => {
  const asked = answering({ agents: [AGENT] });
  expect(await listAgents(`${BASE}/`, { token: "key", headers: { "X-Page": "1" } })).toEqual([AGENT]);
  expect(asked()).toEqual(["GET", `${BASE}/agents`, { authorization: "Bearer key", "x-page": "1" }, undefined]);
});

test("an agent is read by its id", async () => {
  const asked = answering(AGENT);
  expect(await getAgent("a/b", { baseUrl: BASE })).toEqual(AGENT);
  expect(asked().slice(0, 2)).toEqual(["GET", `${BASE}/agents/a%2Fb`]);
});

test("an agent that was read can be written back: only what can be changed is sent", async () => {
  const asked = answering(AGENT);
  await updateAgent({ ...AGENT, name: "Other" }, { baseUrl: BASE, ifMatch: AGENT.etag });
  const { name, system_prompt, markdown_context, model, options, tools } = { ...AGENT, name: "Other" };
  const body = { name, system_prompt, markdown_context, model, options, tools };
  const headers = { "content-type": "application/json", "if-match": '"1"' };
  expect(asked()).toEqual(["PUT", `${BASE}/agents/reviewer`, headers, body]);
});

test("what is left out of an agent is not sent", async () => {
  const asked = answering(AGENT, { status: 201 });
  await updateAgent({ id: "reviewer", name: "Reviewer" }, { baseUrl: BASE, ifNoneMatch: "*" });
  expect(asked()[3]).toEqual({ name: "Reviewer" });
  expect(asked()[2]).toMatchObject({ "if-none-match": "*" });
});

test("an agent is deleted", async () => {
  const asked = answering(undefined, { status: 204 });
  expect(await deleteAgent("reviewer", BASE)).toBeUndefined();
  expect(asked().slice(0, 2)).toEqual(["DELETE", `${BASE}/agents/reviewer`]);
});

test.for([
  [undefined, "http://localhost:8007"],
  [{ origin: "null" }, "http://localhost:8007"],
  [{ origin: "https://page.example" }, "https://page.example"],
])("without an address %o it is %s", async ([location, base]) => {
  vi.stubGlobal("location", location);
  const asked = answering(AGENT);
  await updateAgent({ id: "reviewer" });
  expect(asked()[1]).toBe(`${base}/agents/reviewer`);
});

test("a problem of the API becomes an error with its code", async () => {
  const problem = { type: "about:blank", title: "Too many", status: 429, detail: "ask later", code: "rate_limited" };
  answering(problem, { status: 429, headers: { "Retry-After": "7" } });
  const failed = { message: "ask later", code: "rate_limited", status: 429, retryable: true, retryAfter: 7 };
  await expect(listAgents(BASE)).rejects.toMatchObject(failed);
});

test.for(["<html>Bad gateway</html>", "", "null", '"no"', "[1]"])(
  "what a proxy answers, %j, is an error as well",
  async (text) => {
    answering(text, { status: 502 });
    const message = text || "HTTP 502";
    await expect(getAgent("a", BASE)).rejects.toMatchObject({
      message,
      code: "http_502",
      status: 502,
      retryable: true,
    });
  },
);

test("a ticket is asked for beside the WebSocket, with the key", async () => {
  const asked = answering({ ticket: "abc" });
  expect(await requestTicket("wss://hopstream.example/prefix/ws/chat", { token: "key" })).toBe("abc");
  const headers = { authorization: "Bearer key", "content-type": "application/json" };
  expect(asked()).toEqual(["POST", `${BASE}/prefix/ws/ticket`, headers, { path: "/ws/chat" }]);
});
