// What a caller gives, and gets.

import type { Answer } from "./answers.ts";
import type { ChatEvent } from "./events.ts";
import type { RetryOptions } from "./retries.ts";
import type { SocketFactory } from "./socket.ts";

/** How answers are made; a message's go before the stream's, and those before the agent's. */
export interface GenerationOptions {
  temperature?: number;
  topP?: number;
  maxNewTokens?: number;
  stop?: string | string[];
  seed?: number;
  presencePenalty?: number;
  frequencyPenalty?: number;
  reasoningEffort?: "none" | "minimal" | "low" | "medium" | "high";
  model?: string;
  /** By a worker, as is usual, or in the API process itself. */
  mode?: "queue" | "direct";
  /** While another turn of the conversation runs. */
  onBusy?: "wait" | "reject";
}

/** connecting → open ⇄ reconnecting → closed */
export type ChatState = "connecting" | "open" | "reconnecting" | "closed";

export interface StreamChatOptions {
  /** The WebSocket's address, such as ws://localhost:8007/ws/chat. */
  backendUrl: string;
  agentId: string;
  /** A conversation to go on with; else it is a new one. */
  conversationId?: string | undefined;
  options?: GenerationOptions | undefined;
  /** Everything that the server says, in order, nothing twice. What it throws is reported as that of an event listener. */
  onEvent?: ((event: ChatEvent) => void) | undefined;
  /** The error is there where the stream has not been closed by its caller. */
  onState?: ((state: ChatState, error?: unknown) => void) | undefined;
  /** Where there is no global WebSocket. */
  socketFactory?: SocketFactory | undefined;
  /** Asked for each connection; see `requestTicket`. */
  ticket?: (() => Promise<string>) | undefined;
  /** An API key, for programs: a ticket is had with it for each connection. A page must not know one. */
  token?: string | undefined;
  /** For tickets. */
  fetch?: typeof fetch | undefined;
  /** Closes the stream, as `close` does, and is what its promises reject with. */
  signal?: AbortSignal | undefined;
  reconnect?: RetryOptions | false | undefined;
  /** A cursor: events behind it come again. */
  resume?: string | undefined;
  /** Milliseconds without any frame after which the connection is taken for lost; 2.5 pings of the server's. */
  idleTimeout?: number | undefined;
}

export interface OutgoingMessage {
  message: string;
  options?: GenerationOptions | undefined;
  /** The server answers one message of this id, however often and over however many streams it is sent. */
  messageId?: string | undefined;
}

/** Its functions need no `this`. Its disposal closes it. */
export interface ChatStream extends AsyncDisposable {
  readonly conversationId: string;
  /** The place behind all that was heard, for `resume`. */
  readonly cursor: string | undefined;
  /** Settles at the end of its turn. Raises HopstreamError. */
  sendMessage(message: OutgoingMessage): Promise<Answer>;
  /** Cancels what runs or waits in the conversation, and closes. Resolves once the server has been told. */
  stop(): Promise<void>;
  /** Closes, and cancels nothing. */
  close(): void;
  /** The same as `onEvent`, from now on. Leaving the loop closes nothing. */
  events(): AsyncGenerator<ChatEvent, void, void>;
}
