// EventSource for Node.js, which resumes by itself with Last-Event-ID.
import { EventSource } from "eventsource";
import { ask, fetchJson, print } from "./script.mjs";

const awake = setInterval(() => {}, 1000); // its wait before it connects again keeps no process alive
const stream = new EventSource(await ask(fetchJson));
stream.onmessage = ({ data }) => {
  if (print(data)) {
    stream.close();
    clearInterval(awake);
  }
};
