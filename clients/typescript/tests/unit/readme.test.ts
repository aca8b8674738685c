import { readFile } from "node:fs/promises";
import { expect, test } from "vitest";

const ROOT = `${import.meta.dirname}/../..`;

test.for(["chat", "agents"])("README shows the snippet %s, which is run", async (name) => {
  const snippet = await readFile(`${ROOT}/tests/snippets/${name}.ts`, "utf8");
  expect(await readFile(`${ROOT}/README.md`, "utf8")).toContain(snippet.replaceAll(":8000", ":8007"));
});

test("README knows every error of the client's own", async () => {
  const readme = await readFile(`${ROOT}/README.md`, "utf8");
  const modules = ["answers", "chat", "event_stream", "loss", "promises", "socket"];
  const sources = await Promise.all(modules.map((name) => readFile(`${ROOT}/src/${name}.ts`, "utf8")));
  const codes = sources.join().matchAll(/code: "(\w+)"/g);
  expect([...codes].map(([, code]) => code).filter((code) => !readme.includes(`\`${code}\``))).toEqual([]);
});
