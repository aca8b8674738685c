// What the package costs a page: minified, and compressed with brotli.

import { brotliCompressSync } from "node:zlib";
import { build } from "tsdown";

const LIMIT = 5_000; // bytes

const options = { minify: true, dts: false, format: "esm", write: false, clean: false, logLevel: "warn" } as const;
const { bundles } = await build(options);
const code = bundles.flatMap(({ chunks }) => chunks.map((chunk) => ("code" in chunk ? chunk.code : ""))).join("");
const size = brotliCompressSync(code).length;
console.log(`${size} bytes of ${LIMIT}`);
process.exitCode = size > 0 && size <= LIMIT ? 0 : 1;
