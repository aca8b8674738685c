// What must and must not compile; nothing of it is run.

import { WebSocket as WsSocket } from "ws";
import { listAgents, streamChat, updateAgent, type ChatEvent, type ChatStream } from "../src/index.ts";

export function anEventIsNarrowedByItsType(event: ChatEvent): string {
  if (event.type === "token") {
    const text: string = event.token;
    // @ts-expect-error -- tokens have no such member
    return text + event.tokn;
  }
  if (event.type === "tool" && event.payload.phase === "result") return event.payload.output;
  if (event.type === "error") return event.retryAfter?.toFixed() ?? event.message;
  if (event.type === "of-a-newer-server") return String(event["whatever"]);
  // @ts-expect-error -- not every event has one
  return event.token;
}

export async function socketsOfAllKindsFit(url: string): Promise<ChatStream[]> {
  const options = { backendUrl: url, agentId: "planner" };
  return [
    await streamChat({ ...options, socketFactory: (url, protocols) => new WebSocket(url, protocols) }),
    await streamChat({ ...options, socketFactory: (url, protocols) => new WsSocket(url, protocols) }),
    await streamChat({ ...options, socketFactory: () => ({ onopen: null, send: () => {}, close: () => {} }) }),
    // @ts-expect-error -- it cannot send
    await streamChat({ ...options, socketFactory: () => ({ close: () => {} }) }),
  ];
}

export async function functionsNeedNoThis(chat: ChatStream): Promise<void> {
  const { sendMessage, stop, close, events } = chat;
  await sendMessage({ message: "hello" });
  for await (const event of events()) event.type;
  close();
  await stop();
}

export async function whatWasReadCanBeWritten(): Promise<void> {
  for (const agent of await listAgents()) await updateAgent({ ...agent, name: "other" }, { ifMatch: agent.etag });
  // @ts-expect-error -- an agent needs an id
  await updateAgent({ name: "nameless" });
}
