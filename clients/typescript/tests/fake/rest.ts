// The REST side of the fake Hopstream: agents, tickets, and the gates of held answers.

import { createHash, randomUUID } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { FakeHopstream } from "./hopstream.ts";

const MEMBERS = ["name", "system_prompt", "markdown_context", "model", "options", "tools"];
const DEFAULTS = { name: "", system_prompt: "", markdown_context: "", model: null, options: {}, tools: [] };

export type FakeAgent = Record<string, unknown> & { id: string; etag: string };

class Problem extends Error {
  readonly status: number;
  readonly code: string;

  constructor(status: number, code: string, detail: string) {
    super(detail);
    this.status = status;
    this.code = code;
  }
}

export async function serve(server: FakeHopstream, request: IncomingMessage, response: ServerResponse): Promise<void> {
  try {
    const [status, body] = await answer(server, request);
    response.writeHead(status, { "Content-Type": "application/json" }).end(body && JSON.stringify(body));
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    const { status, code, message: detail } = error;
    const headers = { "Content-Type": "application/problem+json", "Retry-After": "7" };
    response.writeHead(status, headers).end(JSON.stringify({ type: "about:blank", title: code, status, code, detail }));
  }
}

async function answer(
  server: FakeHopstream,
  request: IncomingMessage,
): Promise<[status: number, body?: object | undefined]> {
  const [, room, name = "", count] = new URL(request.url!, "http://fake").pathname.split("/").map(decodeURIComponent);
  if (room === "release") {
    server.gates.move(name, count ? Number(count) : undefined);
    return [200, {}];
  }
  if (server.key && request.headers.authorization !== `Bearer ${server.key}`) {
    throw new Problem(401, "unauthorized", "an API key is needed");
  }
  if (room === "ws" && name === "ticket") return [200, issueTicket(server)];
  if (room === "agents" && !name) return [200, { agents: [...server.agents.values()] }];
  if (room === "agents") return agent(server, request, name);
  return [200, {}];
}

function issueTicket(server: FakeHopstream): object {
  const ticket = server.key ? randomUUID() : "open";
  server.tickets.add(ticket);
  return { ticket, seconds: 60, protocols: ["hopstream.v1", `hopstream.ticket.${ticket}`] };
}

async function agent(
  server: FakeHopstream,
  request: IncomingMessage,
  id: string,
): Promise<[status: number, body?: object | undefined]> {
  const known = server.agents.get(id);
  const { "if-match": ifMatch, "if-none-match": ifNoneMatch } = request.headers;
  if (request.method !== "PUT" && !known) throw new Problem(404, "not_found", `there is no agent ${id}`);
  if (request.method === "GET") return [200, known];
  if ((ifMatch && ifMatch !== known?.etag) || (ifNoneMatch && known)) {
    throw new Problem(412, "precondition_failed", `the agent is another version`);
  }
  if (request.method === "DELETE") {
    server.agents.delete(id);
    return [204];
  }
  const made = await put(server, request, id, known);
  return [known ? 200 : 201, made];
}

async function put(server: FakeHopstream, request: IncomingMessage, id: string, known?: FakeAgent): Promise<FakeAgent> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk);
  const changes = JSON.parse(Buffer.concat(chunks).toString());
  const strange = Object.keys(changes).filter((member) => !MEMBERS.includes(member));
  if (strange.length > 0) throw new Problem(422, "invalid_request", `unknown: ${strange}`);
  if (!known && !changes.system_prompt) throw new Problem(422, "invalid_agent", "system_prompt: is missing");
  const content = { ...DEFAULTS, name: id, owner: null, editable: true, ...known, ...changes, id };
  const etag = `"${createHash("sha256")
    .update(JSON.stringify({ ...content, etag: "" }))
    .digest("hex")
    .slice(0, 16)}"`;
  const made = { ...content, etag };
  server.agents.set(id, made);
  return made;
}
