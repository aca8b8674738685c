import { Chat } from "./chat.ts";
import type { ChatStream, StreamChatOptions } from "./options.ts";

/**
 * Opens a stream for a conversation with an agent, for as many messages as you like.
 *
 * Resolves once the server is ready. Raises HopstreamError where it refuses or cannot be reached. A connection that is
 * lost later is opened again; nothing is lost or told twice.
 */
export async function streamChat(options: StreamChatOptions): Promise<ChatStream> {
  const chat = new Chat(options);
  await chat.open();
  return chat;
}
