import { defineConfig } from "tsdown";

export default defineConfig({
  entry: "src/index.ts",
  format: ["esm", "cjs"],
  platform: "neutral",
  target: "es2022",
  dts: true,
  // For AsyncDisposable, which the library of a caller's target may lack.
  banner: { dts: '/// <reference lib="esnext.disposable" />' },
});
