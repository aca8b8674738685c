// A page's own project, with no more than the language that it targets: what is published has to compile there.

import { streamChat, type ChatEvent } from "streaming-llm-client";

export async function textOf(message: string): Promise<string> {
  const { sendMessage, stop, events } = await streamChat({
    backendUrl: "ws://localhost:8007/ws/chat",
    agentId: "planner",
  });
  void sendMessage({ message });
  let text = "";
  for await (const event of events()) {
    text += grown(event);
    if (event.type === "done") await stop();
  }
  return text;
}

function grown(event: ChatEvent): string {
  return event.type === "token" ? event.token : "";
}
