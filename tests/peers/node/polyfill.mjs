// The polyfill of EventSource, which resumes by itself with a query parameter.
import polyfill from "event-source-polyfill";
import { ask, fetchJson, print } from "./script.mjs";

const stream = new polyfill.EventSourcePolyfill(await ask(fetchJson));
stream.onmessage = ({ data }) => {
  if (print(data)) stream.close();
};
