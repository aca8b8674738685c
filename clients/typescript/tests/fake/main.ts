// A fake Hopstream as a process, which prints its address. FAKE_KEY is the API key that it wants.

import { FakeHopstream } from "./hopstream.ts";

const hopstream = new FakeHopstream();
hopstream.key = process.env["FAKE_KEY"] ?? "";
await hopstream.start();
console.log(hopstream.url);
