// The server that the suite is about: the one that HOPSTREAM_URL names, else a fake one. HOPSTREAM_KEY is an API key that
// it needs, if there is one. Its default model has to be bench/mock_upstream's, which is at HOPSTREAM_MOCK_URL.

import type { TestProject } from "vitest/node";
import { FakeHopstream } from "../fake/hopstream.ts";

declare module "vitest" {
  interface ProvidedContext {
    url: string;
    mockUrl: string;
    key: string | undefined;
  }
}

export default async function setup(project: TestProject): Promise<(() => Promise<void>) | void> {
  const { HOPSTREAM_URL: url, HOPSTREAM_MOCK_URL: mockUrl, HOPSTREAM_KEY: key } = process.env;
  project.provide("key", key);
  if (url && mockUrl) {
    project.provide("url", url);
    project.provide("mockUrl", mockUrl);
    return;
  }
  const fake = new FakeHopstream();
  fake.key = key ?? "";
  await fake.start();
  project.provide("url", fake.url);
  project.provide("mockUrl", fake.url);
  return () => fake.stop();
}
