import { defineConfig } from "vitest/config";

const PATIENCE_MS = 90_000; // a machine may have ten times as much to do as it can

const shared = { testTimeout: PATIENCE_MS, hookTimeout: PATIENCE_MS, restoreMocks: true, unstubGlobals: true };

export default defineConfig({
  test: {
    projects: [
      { test: { ...shared, name: "parts", include: ["tests/{unit,wire}/*.test.ts"] } },
      { test: { ...shared, name: "stack", include: ["tests/stack/*.test.ts"], globalSetup: "tests/stack/server.ts" } },
    ],
  },
});
