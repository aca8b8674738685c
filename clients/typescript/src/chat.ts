// A conversation over one line: what is sent, what is heard, and how it ends.

import { Answers, type Answer, type MessageFrame } from "./answers.ts";
import type { Frame } from "./connection.ts";
import { HopstreamError } from "./errors.ts";
import { EventStream, type End } from "./event_stream.ts";
import type { ChatEvent, ReadyEvent } from "./events.ts";
import { Line } from "./line.ts";
import type { ChatState, ChatStream, OutgoingMessage, StreamChatOptions } from "./options.ts";
import { Place } from "./place.ts";
import { defer } from "./promises.ts";
import { requestTicket } from "./ticket.ts";

const PROTOCOL = 1;
const STOP_MS = 5_000; // so long may turns that were cancelled take to tell of their ends

export class Chat implements ChatStream {
  readonly #options: StreamChatOptions;
  readonly #line: Line;
  readonly #place: Place;
  readonly #answers = new Answers();
  /** By the ids that the caller gave, as long as they have not failed. */
  readonly #sent = new Map<string, Promise<Answer>>();
  readonly #streams = new Set<EventStream>();
  readonly #opened = defer();
  readonly #over = defer();
  #conversationId: string | undefined;
  #state: ChatState | undefined;
  #isOpen = false;
  #isStopping = false;
  #stopTimer: ReturnType<typeof setTimeout> | undefined;
  #held: Frame[] | undefined;
  #end: End | undefined;

  constructor(options: StreamChatOptions) {
    const { backendUrl: url, token, fetch, socketFactory, reconnect, idleTimeout } = options;
    const ticket = options.ticket ?? (token ? () => requestTicket(url, { token, fetch }) : undefined);
    this.#options = options;
    this.#conversationId = options.conversationId;
    this.#place = new Place(options.resume);
    this.#line = new Line(
      { url, ticket, socketFactory, reconnect, idleTimeout },
      {
        handshake: () => this.#handshake(),
        onFrame: (frame) => this.#take(frame),
        onLoss: () => this.#tellState("reconnecting"),
      },
    );
  }

  /** Resolves with the first `ready`. */
  async open(): Promise<void> {
    const { signal } = this.#options;
    signal?.throwIfAborted();
    signal?.addEventListener("abort", this.#onAbort);
    this.#tellState("connecting");
    this.#line.run().catch((error: unknown) => this.#finish({ error }));
    await this.#opened.promise;
  }

  get conversationId(): string {
    return this.#conversationId!;
  }

  get cursor(): string | undefined {
    return this.#place.cursor;
  }

  readonly sendMessage = ({ message, options, messageId }: OutgoingMessage): Promise<Answer> => {
    const known = messageId && this.#sent.get(messageId);
    if (known) return known;
    const answer = this.#post({ type: "message", message, messageId: messageId ?? newId(), options });
    if (messageId) this.#sent.set(messageId, answer);
    // A message that failed may be sent again. And one that nobody waits for must not end Node.js.
    answer.catch(() => messageId && this.#sent.delete(messageId));
    return answer;
  };

  readonly stop = (): Promise<void> => {
    if (this.#isStopping || this.#end) return this.#over.promise;
    this.#isStopping = true;
    if (this.#line.isReady) this.#sendStop();
    if (this.#answers.isEmpty && (this.#line.isReady || !this.#answers.isRunning)) this.#finish({});
    return this.#over.promise;
  };

  readonly close = (): void => this.#finish({});

  readonly events = (): AsyncGenerator<ChatEvent, void, void> => {
    const stream = new EventStream();
    this.#streams.add(stream);
    if (this.#end) stream.finish(this.#end);
    return stream.read(() => this.#streams.delete(stream));
  };

  async [Symbol.asyncDispose](): Promise<void> {
    this.close();
  }

  #handshake(): object {
    const { agentId, options } = this.#options;
    const { cursor: resume, narratorSeq } = this.#place;
    const conversationId = this.#conversationId;
    return { type: "handshake", protocol: PROTOCOL, agentId, conversationId, options, resume, narratorSeq };
  }

  #post(frame: MessageFrame): Promise<Answer> {
    if (this.#isStopping || this.#end) return Promise.reject(this.#end?.error ?? closed());
    const answer = this.#answers.add(frame, !this.#line.isReady);
    this.#line.send(frame);
    return answer;
  }

  #take(frame: Frame): void {
    if (this.#end) return;
    if (this.#held) return void this.#held.push(frame);
    if (!this.#place.advance(frame)) return;
    if (frame.type === "ready") this.#onReady(frame);
    this.#answers.take(frame);
    this.#tell(frame);
    if (this.#isStopping && this.#answers.isEmpty) this.#finish({});
  }

  #onReady({ conversationId }: ReadyEvent): void {
    if (!this.#isOpen) {
      this.#isOpen = true;
      this.#conversationId = conversationId;
      this.#answers.goOnFrom(this.#place.cursor);
      this.#opened.resolve();
      this.#hold();
    }
    for (const frame of this.#answers.toSend(this.#place.cursor)) this.#line.send(frame);
    if (this.#isStopping) this.#sendStop();
    this.#tellState("open");
  }

  /** What comes together with the first `ready` waits until the caller has the stream, and has called `events`. */
  #hold(): void {
    const held: Frame[] = [];
    this.#held = held;
    setTimeout(() => {
      this.#held = undefined;
      for (const frame of held) this.#take(frame);
    });
  }

  #sendStop(): void {
    this.#line.send({ type: "stop" });
    this.#stopTimer = setTimeout(this.close, STOP_MS);
  }

  #tell(frame: Frame): void {
    const event = frame as ChatEvent;
    for (const stream of this.#streams) stream.push(event);
    report(() => this.#options.onEvent?.(event));
  }

  #tellState(state: ChatState, error?: unknown): void {
    if (state === this.#state) return;
    this.#state = state;
    report(() => this.#options.onState?.(state, error));
  }

  readonly #onAbort = (): void => this.#finish({ error: this.#options.signal!.reason });

  #finish(end: End): void {
    if (this.#end) return;
    this.#end = end;
    clearTimeout(this.#stopTimer);
    this.#options.signal?.removeEventListener("abort", this.#onAbort);
    this.#line.leave();
    const reason = end.error ?? closed();
    this.#answers.fail(reason);
    this.#opened.reject(reason);
    for (const stream of this.#streams) stream.finish(end);
    if (end.error) this.#over.reject(end.error);
    else this.#over.resolve();
    this.#tellState("closed", end.error);
  }
}

/** What a listener throws is reported, and disturbs nobody, as of an event target's listener (WHATWG DOM, 2.10). */
function report(listener: () => void): void {
  try {
    listener();
  } catch (error) {
    queueMicrotask(() => {
      throw error;
    });
  }
}

function closed(): HopstreamError {
  return new HopstreamError("the stream was closed", { code: "closed" });
}

/** Not crypto.randomUUID: pages have that over HTTPS alone. */
function newId(): string {
  return Array.from(crypto.getRandomValues(new Uint32Array(4)), (number) => number.toString(36)).join("-");
}
