// A Hopstream that speaks the wire of /ws/chat, and breaks it as it is told.

import { createServer, type IncomingMessage, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import type { Duplex } from "node:stream";
import { WebSocketServer } from "ws";
import { Conversation, type Frame } from "./conversation.ts";
import { Gates } from "./gates.ts";
import { serve, type FakeAgent } from "./rest.ts";
import { Session, type Fault } from "./session.ts";

export class FakeHopstream {
  readonly gates = new Gates();
  readonly agents = new Map<string, FakeAgent>([["planner", { id: "planner", name: "Planner", etag: '"1"' }]]);
  readonly tickets = new Set<string>();
  /** All frames of all clients. */
  readonly received: Frame[] = [];
  /** All frames to all clients. */
  readonly sent: Frame[] = [];
  readonly sessions: Session[] = [];
  /** The codes with which sockets were closed. */
  readonly closings: number[] = [];
  /** An API key that all need, where it is set. */
  key = "";
  pingSeconds = 60;
  readonly #conversations = new Map<string, Conversation>();
  /** The last numbers of conversations that were deleted. */
  readonly #deleted = new Map<string, number>();
  readonly #faults: Fault[] = [];
  readonly #http: Server = createServer((request, response) => void serve(this, request, response));
  readonly #sockets = new WebSocketServer({
    noServer: true,
    handleProtocols: (offered) => (offered.has("hopstream.v1") ? "hopstream.v1" : false),
  });

  /** At a port of its own, where it is given none. */
  async start(port = 0): Promise<this> {
    this.#http.on("upgrade", (request, socket, head) => this.#upgrade(request, socket, head));
    await new Promise<void>((resolve) => this.#http.listen(port, "127.0.0.1", resolve));
    return this;
  }

  async stop(): Promise<void> {
    for (const { socket } of this.sessions) socket.terminate();
    this.#http.closeAllConnections();
    await new Promise((resolve) => this.#http.close(resolve));
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#http.address() as AddressInfo).port}`;
  }

  get chatUrl(): string {
    return `${this.url.replace("http", "ws")}/ws/chat`;
  }

  /** Of the connection after those that have a fault already. */
  spoil(...faults: Fault[]): void {
    this.#faults.push(...faults);
  }

  framesOf(type: string): Frame[] {
    return this.received.filter((frame) => frame.type === type);
  }

  conversation(id: string = `c${this.#conversations.size + 1}`): Conversation {
    const known = this.#conversations.get(id) ?? new Conversation(id, this.gates, this.#deleted.get(id));
    this.#conversations.set(id, known);
    return known;
  }

  /** Deletes a conversation: who asks there next begins it anew, behind the numbers of its turns unless that was long
   * ago. */
  forget(id: string, isLongAgo = false): void {
    if (!isLongAgo) this.#deleted.set(id, this.conversation(id).last);
    this.#conversations.delete(id);
  }

  #upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    const fault = this.#faults.shift() ?? {};
    if (fault.refuse) {
      socket.end(`HTTP/1.1 ${fault.refuse} Refused\r\nConnection: close\r\n\r\n`);
      return;
    }
    this.#sockets.handleUpgrade(request, socket, head, (socket) => {
      if (this.#isAllowed(request)) this.sessions.push(new Session(this, socket, fault));
      else socket.close(4401, "the ticket was used, or is none");
    });
  }

  /** A ticket opens one WebSocket. */
  #isAllowed(request: IncomingMessage): boolean {
    const offered = request.headers["sec-websocket-protocol"] ?? "";
    const ticket = /hopstream\.ticket\.([^,\s]+)/.exec(offered)?.[1];
    return !this.key || this.tickets.delete(ticket ?? "");
  }
}
