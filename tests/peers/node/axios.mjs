// axios: asks with its default Accept; it knows no event streams, so this reads the lines and resumes.
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import axios from "axios";
import { ask, print } from "./script.mjs";

const url = await ask(async (to, question) => (await axios.post(to, question)).data);
let lastId;
let ended = false;

async function read() {
  const headers = { Accept: "text/event-stream", ...(lastId && { "Last-Event-ID": lastId }) };
  const { data: stream } = await axios.get(url, { responseType: "stream", headers });
  for await (const line of createInterface({ input: stream })) {
    if (line.startsWith("id:")) lastId = line.slice(3).trim();
    if (line.startsWith("data:")) ended = print(line.slice(5)) || ended;
  }
}

while (!ended) {
  await read().catch((error) => console.error(String(error)));
  await sleep(100);
}
