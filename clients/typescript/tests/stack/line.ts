// A TCP line before the server, which is cut and frozen by tests.

import { connect, createServer, type AddressInfo, type Server, type Socket } from "node:net";

export class Line {
  readonly #target: URL;
  readonly #server: Server;
  readonly #ends = new Set<Socket>();
  #isRefusing = false;

  constructor(target: string) {
    this.#target = new URL(target);
    this.#server = createServer((client) => this.#carry(client));
  }

  async open(): Promise<this> {
    await new Promise<void>((resolve) => this.#server.listen(0, "127.0.0.1", resolve));
    return this;
  }

  close(): void {
    this.cut();
    this.#server.close();
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Every connection is lost; new ones are welcome. */
  cut(): void {
    for (const end of this.#ends) end.resetAndDestroy();
    this.#ends.clear();
  }

  /** No connection comes about until `welcome`. */
  refuse(): void {
    this.#isRefusing = true;
    this.cut();
  }

  welcome(): void {
    this.#isRefusing = false;
  }

  /** Every connection stays, and nothing comes through it any more; new ones are welcome. */
  freeze(): void {
    for (const end of this.#ends) end.unpipe().pause();
  }

  #carry(client: Socket): void {
    if (this.#isRefusing) {
      client.resetAndDestroy();
      return;
    }
    const server = connect(Number(this.#target.port), this.#target.hostname);
    for (const [end, other] of [
      [client, server],
      [server, client],
    ] as const) {
      this.#ends.add(end);
      end.on("error", () => other.destroy());
      end.pipe(other);
    }
  }
}
