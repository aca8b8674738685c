// A program of the other kind: by require, and without a global WebSocket. Needs the server's address.
const { WebSocket } = require("ws");
const { listAgents, streamChat } = require("streaming-llm-client");

async function main(url) {
  const [agent] = await listAgents(url);
  const options = { backendUrl: `${url.replace("http", "ws")}/ws/chat`, agentId: agent.id };
  const problem = await streamChat(options).catch((error) => error.code);
  const socketFactory = (url, protocols) => new WebSocket(url, protocols);
  const chat = await streamChat({ ...options, socketFactory });
  const { text } = await chat.sendMessage({ message: "hello" });
  chat.stop();
  console.log(JSON.stringify({ global: typeof globalThis.WebSocket, problem, text }));
}

main(process.argv[2]);
