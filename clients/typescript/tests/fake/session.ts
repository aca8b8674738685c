// One WebSocket of the fake Hopstream, from its handshake to its end.

import type { WebSocket } from "ws";
import type { Conversation, Frame } from "./conversation.ts";
import type { FakeHopstream } from "./hopstream.ts";
import { scriptOf } from "./script.ts";

const MAX_WAITING = 8; // turns behind the one that runs

/** What is to go wrong over the next connection. */
export interface Fault {
  /** So many frames are sent, and then `act` comes. */
  after?: number;
  act?: (session: Session) => void;
  /** Every frame is sent twice. */
  twice?: boolean;
  /** `ready` waits for it. */
  readyWhen?: Promise<void>;
  /** The upgrade is refused with this status. */
  refuse?: number;
}

export class Session {
  readonly socket: WebSocket;
  readonly #server: FakeHopstream;
  readonly #fault: Fault;
  #sent = 0;
  #isMuted = false;
  #handshake: Frame | undefined;
  #conversation: Conversation | undefined;
  readonly #told = new Set<number>();

  constructor(server: FakeHopstream, socket: WebSocket, fault: Fault) {
    this.#server = server;
    this.socket = socket;
    this.#fault = fault;
    socket.on("message", (data) => this.#take(JSON.parse(String(data))));
    socket.on("close", (code) => this.#onClose(code));
    if (fault.after === 0) fault.act?.(this);
  }

  send(frame: Frame): void {
    this.#server.sent.push(frame);
    if (this.#isMuted) return;
    this.socket.send(JSON.stringify(frame));
    if (this.#fault.twice) this.socket.send(JSON.stringify(frame));
    if (++this.#sent === this.#fault.after) this.#fault.act?.(this);
  }

  /** As a connection that is half open: nothing comes any more. */
  mute(): void {
    this.#isMuted = true;
  }

  readonly #listen = (frame: Frame): void => {
    this.#told.add(frame.turn);
    this.send(frame);
  };

  #onClose(code: number): void {
    this.#conversation?.listeners.delete(this.#listen);
    this.#server.closings.push(code);
  }

  #take(frame: Frame): void {
    this.#server.received.push(frame);
    if (!this.#handshake) void this.#begin(frame);
    else if (frame.type === "stop") this.#conversation!.stop();
    else if (frame.type === "message") this.#ask(frame);
  }

  async #begin(handshake: Frame): Promise<void> {
    this.#handshake = handshake;
    await this.#fault.readyWhen;
    const { agentId, conversationId, resume } = handshake;
    if (!this.#server.agents.has(agentId)) return this.#refuse(404, "not_found", `there is no agent ${agentId}`);
    const conversation = this.#server.conversation(conversationId);
    const status = conversation.unfinished.length > 0 ? "running" : "idle";
    const [firstTurn, turn] = [conversation.turns[0]?.number ?? null, conversation.turns.at(-1)?.number ?? null];
    const fixed = { protocol: 1, agentVersion: "1", tools: [], maxMessageChars: 32_000, narratorSeq: 0 };
    const { pingSeconds } = this.#server;
    const turns = { firstTurn, turn, status };
    this.send({ type: "ready", conversationId: conversation.id, agentId, ...turns, pingSeconds, ...fixed });
    this.#attach(conversation, resume);
  }

  #attach(conversation: Conversation, resume: string | undefined): void {
    const missed = conversation.after(resume);
    if (!missed) this.send({ type: "error", code: "invalid_event_id", message: "no such place", retryable: false });
    for (const frame of missed ?? conversation.turns.at(-1)?.tape ?? []) this.#listen(frame);
    for (const { number } of conversation.unfinished) this.#told.add(number);
    this.#conversation = conversation;
    conversation.listeners.add(this.#listen);
  }

  #ask({ message, messageId, options }: Frame): void {
    const conversation = this.#conversation!;
    if (conversation.unfinished.length > MAX_WAITING) {
      const code = "conversation_busy";
      return this.send({ type: "error", code, message: "8 turns wait", messageId, retryable: true, retryAfter: 1 });
    }
    if (message === "")
      return this.send({ type: "error", code: "bad_frame", message: "empty", messageId, retryable: false });
    const model = options?.model ?? this.#handshake!["options"]?.model;
    const waiting = conversation.unfinished.length;
    const { turn, isDuplicate } = conversation.ask(messageId, scriptOf(model));
    const { number } = turn;
    const conversationId = conversation.id;
    this.send({
      type: "accepted",
      messageId,
      conversationId,
      turn: number,
      position: null,
      waiting,
      duplicate: isDuplicate,
    });
    if (isDuplicate && !this.#told.has(number)) for (const frame of turn.tape) this.#listen(frame);
  }

  #refuse(status: number, code: string, message: string): void {
    this.send({ type: "error", code, message, retryable: false });
    this.socket.close(4000 + status, message);
  }
}
