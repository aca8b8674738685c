// A program that asks once, and prints the answer as it comes: server's address, conversation, model.
import { streamChat } from "streaming-llm-client";

const [url, conversationId, model] = process.argv.slice(2);
const { sendMessage, stop } = await streamChat({
  backendUrl: `${url.replace("http", "ws")}/ws/chat`,
  agentId: "planner",
  conversationId,
  options: { model },
  reconnect: { minDelay: 50, maxDelay: 500, retries: 1000 },
  onEvent: (event) => {
    if (event.type === "token") process.stdout.write(event.token);
    if (event.type === "restart") process.stdout.write("\n");
  },
});
const { text } = await sendMessage({ message: "hello" });
process.stdout.write(`\n${text}`);
stop();
