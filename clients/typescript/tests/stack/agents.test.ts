import { randomUUID } from "node:crypto";
import { expect, inject, test } from "vitest";
import { deleteAgent, getAgent, listAgents, updateAgent } from "../../src/index.ts";

test("an agent is made, listed, read, changed by one alone, and deleted", async () => {
  const base = { baseUrl: inject("url"), token: inject("key") };
  const id = `t${randomUUID().slice(0, 8)}`;
  const made = await updateAgent({ id, name: "Test", system_prompt: "Be brief." }, { ...base, ifNoneMatch: "*" });
  expect(made).toMatchObject({ id, name: "Test", system_prompt: "Be brief.", markdown_context: "", tools: [] });
  expect(await listAgents(base)).toContainEqual(made);
  expect(await getAgent(id, base)).toEqual(made);

  const changed = await updateAgent({ id, markdown_context: "- Be kind." }, { ...base, ifMatch: made.etag });
  expect(changed).toMatchObject({ system_prompt: "Be brief.", markdown_context: "- Be kind." });
  const late = updateAgent({ ...made, name: "Late" }, { ...base, ifMatch: made.etag });
  await expect(late).rejects.toMatchObject({ status: 412, retryable: false });

  await deleteAgent(id, base);
  await expect(getAgent(id, base)).rejects.toMatchObject({ status: 404, code: expect.any(String) });
});
