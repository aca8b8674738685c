// Programs of people who have installed the package: what is built is run by Node.js itself. They know no API key.

import { execFile } from "node:child_process";
import { cp, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, inject, test } from "vitest";
import { getAgent } from "../../src/index.ts";

const PACKAGE = resolve(import.meta.dirname, "../..");
const PATIENCE_MS = 60_000;
let home: string;

beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), "streaming-llm-client-"));
  await mkdir(join(home, "node_modules"));
  await symlink(PACKAGE, join(home, "node_modules/streaming-llm-client"));
  await symlink(join(PACKAGE, "node_modules/ws"), join(home, "node_modules/ws"));
  await writeFile(join(home, "package.json"), '{"type":"module"}');
  await cp(join(PACKAGE, "tests/stack/with_ws.cjs"), join(home, "with_ws.cjs"));
});

afterAll(() => rm(home, { recursive: true }));

/** What it prints. Raises where it does not end by itself, and in order. */
async function run(...command: string[]): Promise<string> {
  const { stdout, stderr } = await promisify(execFile)(process.execPath, command, { cwd: home, timeout: PATIENCE_MS });
  expect(stderr).toBe("");
  return stdout;
}

/** The seed's own words, but for the address. */
async function snippet(name: string): Promise<string> {
  const source = await readFile(join(PACKAGE, "tests/snippets", `${name}.ts`), "utf8");
  await writeFile(join(home, `${name}.ts`), source.replaceAll("localhost:8000", new URL(inject("url")).host));
  return `${name}.ts`;
}

const openly = test.skipIf(inject("key"));

openly("the snippet that chats prints two answers", async () => {
  const [first, second, rest] = (await run(await snippet("chat"))).split("\nassistant finished\n");
  expect(first).toContain("t000000 t000001 ");
  expect([second, rest]).toEqual([first, ""]);
});

openly("the short snippet asks, and ends", async () => {
  expect(await run(await snippet("quick"))).toBe("");
});

openly("the snippet without an address makes an agent at http://localhost:8007", async () => {
  const elsewhere = `const send = fetch;
    globalThis.fetch = (url, init) => send(url.replace("http://localhost:8007", "${inject("url")}"), init);`;
  await writeFile(join(home, "elsewhere.js"), elsewhere);
  await run("--import", "./elsewhere.js", await snippet("agents"));
  expect(await getAgent("reviewer", inject("url"))).toMatchObject({
    name: "Reviewer",
    system_prompt: "You are Reviewer, a precise PR reviewer.",
    markdown_context: "- Keep responses focused on regressions.\n",
  });
});

openly("a program without a global WebSocket passes one of ws", async () => {
  const said = JSON.parse(await run("--no-experimental-websocket", "with_ws.cjs", inject("url")));
  expect(said).toEqual({
    global: "undefined",
    problem: "no_websocket",
    text: expect.stringMatching(/^t000000 t000001 /),
  });
});
