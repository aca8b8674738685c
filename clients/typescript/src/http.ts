// Requests to the REST API, and its errors (RFC 9457).

import { HopstreamError } from "./errors.ts";

const DEFAULT_BASE = "http://localhost:8007";

/** What `fetch` takes, and: */
export interface RequestOptions extends Omit<RequestInit, "method" | "body"> {
  /** The page's own origin where there is one, else http://localhost:8007. */
  baseUrl?: string | undefined;
  /** An API key. */
  token?: string | undefined;
  fetch?: typeof fetch | undefined;
}

/** A base URL, or more. */
export type Target = string | RequestOptions;

export function optionsOf<Options extends RequestOptions>(target: string | Options = {} as Options): Options {
  return typeof target === "string" ? ({ baseUrl: target } as Options) : target;
}

/** Raises HopstreamError where the API refuses, and what `fetch` raises. */
export async function request(
  method: string,
  path: string,
  { baseUrl = defaultBase(), token, fetch: send = fetch, headers, ...init }: RequestOptions,
  body?: unknown,
): Promise<Response> {
  const all = new Headers(headers);
  if (token) all.set("Authorization", `Bearer ${token}`);
  if (body !== undefined) all.set("Content-Type", "application/json");
  const response = await send(baseUrl.replace(/\/+$/, "") + path, {
    ...init,
    method,
    headers: all,
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  if (!response.ok) throw await errorOf(response);
  return response;
}

/** A page from a file has the origin "null". */
function defaultBase(): string {
  const origin = globalThis.location?.origin;
  return origin?.startsWith("http") ? origin : DEFAULT_BASE;
}

async function errorOf(response: Response): Promise<HopstreamError> {
  const { status } = response;
  const text = await response.text();
  const retryAfter = Number(response.headers.get("Retry-After")) || undefined;
  const { detail, code } = problemOf(text);
  return new HopstreamError(detail ?? (text.slice(0, 200) || `HTTP ${status}`), {
    code: code ?? `http_${status}`,
    status,
    retryable: status === 408 || status === 429 || status >= 500,
    retryAfter,
  });
}

/** Empty for what a proxy in between has answered. */
function problemOf(text: string): { detail?: string; code?: string } {
  try {
    return Object(JSON.parse(text));
  } catch {
    return {};
  }
}
