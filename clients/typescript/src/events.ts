// What the server says: each of its frames is one event.

interface Placed {
  conversationId: string;
  turn: number;
  /** The place behind this event, from which `resume` goes on. */
  id: string;
}

/** The answer to the handshake. */
export interface ReadyEvent {
  type: "ready";
  protocol: number;
  conversationId: string;
  agentId: string;
  agentVersion: string;
  /** The names of the agent's tools. */
  tools: string[];
  /** The earliest turn of the conversation; those before were deleted. */
  firstTurn?: number | null; // not told by an earlier release
  /** The latest one. */
  turn: number | null;
  status: "idle" | "running";
  pingSeconds: number;
  maxMessageChars: number;
  narratorSeq: number;
}

/** A message is stored: it will be answered whatever happens. */
export interface AcceptedEvent {
  type: "accepted";
  messageId: string | null;
  conversationId: string;
  turn: number;
  /** Its place in the workers' queue; 1 is next. */
  position: number | null;
  /** How many turns of this conversation are before it. */
  waiting: number;
  /** The message had come before, with the same `messageId`. */
  duplicate: boolean;
}

/** The turn's place in the workers' queue; 1 is next. */
export interface QueuedEvent {
  type: "queued";
  conversationId: string;
  turn: number;
  position: number;
}

export interface StartEvent extends Placed {
  type: "start";
  attempt: number;
  model: string;
  provider?: string;
}

/** The text has grown by `token`. */
export interface TokenEvent extends Placed {
  type: "token";
  token: string;
}

/** What the model thinks, or why it refuses to answer: never a part of the text. */
export interface ReasoningEvent extends Placed {
  type: "reasoning" | "refusal";
  text: string;
}

/** One pass through the model, of an agent that has tools. */
export interface StepEvent extends Placed {
  type: "step";
  step: number;
  name: string;
  status: "start" | "end";
}

export interface ToolCall {
  callId: string;
  phase: "call";
  /** As text where the model wrote no JSON. */
  arguments: unknown;
}

export interface ToolResult {
  callId: string;
  phase: "result";
  output: string;
  isError: boolean;
  truncated: boolean;
  seconds?: number;
  /** The worker was lost while the call ran: nobody knows what came of it. */
  inDoubt?: true;
}

export interface ToolEvent extends Placed {
  type: "tool";
  name: string;
  payload: ToolCall | ToolResult;
}

/** The turn begins again: what came of its text, steps and tools is void. */
export interface RestartEvent extends Placed {
  type: "restart";
  attempt: number;
  reason: string;
  model?: string;
  provider?: string;
}

export interface Usage {
  inputTokens: number;
  outputTokens: number;
  cachedTokens?: number;
  reasoningTokens?: number;
}

export interface DoneEvent extends Placed {
  type: "done";
  /** stop, length, tool_limit, cancelled, content_filter, … */
  finishReason: string;
  usage: Usage | null;
  model?: string;
  provider?: string;
}

/** With an `id`, its turn has ended by it; without, a message was refused, and the stream goes on. */
export interface ErrorEvent {
  type: "error";
  message: string;
  code: string;
  turn?: number;
  messageId?: string;
  conversationId?: string;
  retryable: boolean;
  /** Seconds. */
  retryAfter?: number;
  id?: string;
}

/** What a narrator says about the conversation; numbered by `seq`. */
export interface NarrationEvent {
  type: "narration";
  seq: number;
  eventId: number;
  source: string;
  message: string;
  at: string;
  conversationId: string;
}

/** The server is about to close the connection; the client is already on its way to another one. */
export interface GoAwayEvent {
  type: "goaway";
  seconds: number;
  reason: string;
}

export type KnownEvent =
  | ReadyEvent
  | AcceptedEvent
  | QueuedEvent
  | StartEvent
  | TokenEvent
  | ReasoningEvent
  | StepEvent
  | ToolEvent
  | RestartEvent
  | DoneEvent
  | ErrorEvent
  | NarrationEvent
  | GoAwayEvent;

type MembersOf<Event> = Event extends unknown ? keyof Event : never;

/**
 * An event that this version does not know: a newer server sends it, and whoever knows it is free to read it.
 *
 * `never` for the members of known events, so that `event.type === "token"` leaves `event.token` a string; and `string`
 * rather than `string & {}`, with which TypeScript would not narrow by `type` at all.
 */
export type UnknownEvent = { type: string } & Record<Exclude<MembersOf<KnownEvent>, "type">, never> & {
    [member: string]: unknown;
  };

export type ChatEvent = KnownEvent | UnknownEvent;
