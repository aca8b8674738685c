// What a WebSocket has to be: a browser's, Node.js's, one of the package ws, or a test's.

import { HopstreamError } from "./errors.ts";

type Listener = (event: any) => void;

/** Its listeners are set by `addEventListener` where it has that, else as `onopen`, `onmessage`, …. */
export interface SocketLike {
  readonly readyState?: number;
  send(data: string): void;
  close(code?: number, reason?: string): void;
  addEventListener?(type: string, listener: Listener): void;
}

/** Opens a WebSocket that offers these subprotocols. */
export type SocketFactory = (url: string, protocols: string[]) => SocketLike;

export const OPEN = 1; // of `readyState`: where there is no global WebSocket, there is no constant of it either

export function openWebSocket(url: string, protocols: string[]): SocketLike {
  if (!globalThis.WebSocket) {
    throw new HopstreamError(
      "There is no global WebSocket, as in Node.js before 22. Pass a socketFactory, for example with the package ws: " +
        "socketFactory: (url, protocols) => new WebSocket(url, protocols)",
      { code: "no_websocket" },
    );
  }
  return new WebSocket(url, protocols);
}

export function listen(socket: SocketLike, type: "open" | "message" | "error" | "close", listener: Listener): void {
  if (socket.addEventListener) socket.addEventListener(type, listener);
  else (socket as unknown as Record<string, Listener>)[`on${type}`] = listener;
}
