// The registry of agents.

import { optionsOf, request, type RequestOptions, type Target } from "./http.ts";

export interface Agent {
  id: string;
  name: string;
  system_prompt: string;
  markdown_context: string;
  /** null: the server's default. */
  model: string | null;
  options: Record<string, unknown>;
  /** The names of the tools that it may use. */
  tools: string[];
  /** Whose API key has made it; null: the operator's. */
  owner: string | null;
  /** Whether this key may change it. */
  editable: boolean;
  /** Its version, for `ifMatch`. */
  etag: string;
}

type Editable = Pick<Agent, "name" | "system_prompt" | "markdown_context" | "model" | "options" | "tools">;

/** An agent to make or to change: what is left out keeps its value. */
export type AgentDraft = Pick<Agent, "id"> & Partial<Editable>;

export interface UpdateOptions extends RequestOptions {
  /** Only if it still is this version: an `etag`. Else the error has the status 412. */
  ifMatch?: string;
  /** "*": only if there is no such agent yet. */
  ifNoneMatch?: "*";
}

export async function listAgents(base?: Target, init?: RequestOptions): Promise<Agent[]> {
  const response = await request("GET", "/agents", { ...optionsOf(base), ...init });
  return ((await response.json()) as { agents: Agent[] }).agents;
}

export async function getAgent(id: string, base?: Target): Promise<Agent> {
  return (await request("GET", pathOf(id), optionsOf(base))).json() as Promise<Agent>;
}

/** Makes the agent, or changes it. What `getAgent` gave may be passed as it is. */
export async function updateAgent(agent: AgentDraft, base?: string | UpdateOptions): Promise<Agent> {
  const { id, name, system_prompt, markdown_context, model, options, tools } = agent;
  const changes = { name, system_prompt, markdown_context, model, options, tools };
  return (await request("PUT", pathOf(id), conditional(base), changes)).json() as Promise<Agent>;
}

export async function deleteAgent(id: string, base?: string | UpdateOptions): Promise<void> {
  await request("DELETE", pathOf(id), conditional(base));
}

function pathOf(id: string): string {
  return `/agents/${encodeURIComponent(id)}`;
}

function conditional(base?: string | UpdateOptions): RequestOptions {
  const { ifMatch, ifNoneMatch, ...options } = optionsOf(base);
  const headers = new Headers(options.headers);
  if (ifMatch) headers.set("If-Match", ifMatch);
  if (ifNoneMatch) headers.set("If-None-Match", ifNoneMatch);
  return { ...options, headers };
}
