// A fake Hopstream for each test, and streams to it that are closed with the test.

import { expect, test as base, vi } from "vitest";
import { streamChat, type ChatEvent, type ChatStream, type StreamChatOptions } from "../../src/index.ts";
import { FakeHopstream } from "../fake/hopstream.ts";
import { ofClient, ofServer, strange } from "../schema.ts";

export const SOON = { timeout: 60_000, interval: 5 };
const QUICKLY = { minDelay: 1, maxDelay: 20 };

export interface Heard {
  chat: ChatStream;
  events: ChatEvent[];
  states: string[];
  /** Why it was closed, where its caller has not done it. */
  error: unknown;
}

export type Open = (options?: Partial<StreamChatOptions>) => Promise<Heard>;

interface Fixtures {
  hopstream: FakeHopstream;
  open: Open;
}

export const test = base.extend<Fixtures>({
  hopstream: async ({}, use) => {
    const hopstream = await new FakeHopstream().start();
    await use(hopstream);
    await hopstream.stop();
    expect(strange(hopstream.received, ofClient)).toEqual([]);
    expect(strange(hopstream.sent, ofServer)).toEqual([]);
  },

  open: async ({ hopstream }, use) => {
    const chats: ChatStream[] = [];
    await use(async (options = {}) => {
      const heard: Heard = { chat: undefined!, events: [], states: [], error: undefined };
      heard.chat = await streamChat({
        backendUrl: hopstream.chatUrl,
        agentId: "planner",
        reconnect: QUICKLY,
        onEvent: (event) => heard.events.push(event),
        onState: (state, error) => {
          heard.states.push(state);
          heard.error = error;
        },
        ...options,
      });
      chats.push(heard.chat);
      return heard;
    });
    for (const chat of chats) chat.close();
  },
});

export async function eventually(check: () => void): Promise<void> {
  await vi.waitFor(check, SOON);
}

/** What a front end that draws these events shows. */
export function shown(events: ChatEvent[], turn = 1): string {
  let text = "";
  for (const event of events) {
    if (event.type === "restart" && event.turn === turn) text = "";
    if (event.type === "token" && event.turn === turn) text += event.token;
  }
  return text;
}

export function typesOf(events: ChatEvent[]): string[] {
  return events.map(({ type }) => type);
}
