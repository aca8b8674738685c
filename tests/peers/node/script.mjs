// What the clients have in common: ask a question, print the answer's text as it comes.

const [base, session, model] = process.argv.slice(2);
const question = { message: "hello", session_id: session, model };

/** Asks, by a client's own way to POST JSON, which gives the answer's object; returns the stream's URL. */
export async function ask(postJson) {
  const accepted = await postJson(`${base}/chat`, question);
  return new URL(accepted.stream_url, base).href;
}

export async function fetchJson(url, body) {
  const headers = { "Content-Type": "application/json" };
  return (await fetch(url, { method: "POST", headers, body: JSON.stringify(body) })).json();
}

/** Prints what an event's data adds to the text; true where the answer has ended. */
export function print(data) {
  const event = JSON.parse(data);
  process.stdout.write(event.chunk ?? "");
  return event.type === "done";
}
