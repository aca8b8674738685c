// Tickets: the right to open one WebSocket, once and soon. A browser's WebSocket cannot send an API key.

import { request, type RequestOptions } from "./http.ts";

const PROTOCOL = "hopstream.v1";
const TICKET_PROTOCOL = "hopstream.ticket."; // the ticket follows

/** The subprotocols to offer: what is in a URL would end up in logs and histories. */
export function protocolsOf(ticket?: string): string[] {
  return ticket ? [PROTOCOL, TICKET_PROTOCOL + ticket] : [PROTOCOL];
}

/**
 * Asks the server for a ticket. A program that keeps the API key calls this for its pages, whose `ticket` then asks the
 * program.
 */
export async function requestTicket(
  backendUrl: string,
  options: Pick<RequestOptions, "token" | "fetch" | "signal">,
): Promise<string> {
  const baseUrl = new URL("ticket", backendUrl.replace(/^ws/, "http")).href;
  const response = await request("POST", "", { ...options, baseUrl }, { path: "/ws/chat" });
  return ((await response.json()) as { ticket: string }).ticket;
}
