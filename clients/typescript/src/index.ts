export {
  deleteAgent,
  getAgent,
  listAgents,
  updateAgent,
  type Agent,
  type AgentDraft,
  type UpdateOptions,
} from "./agents.ts";
export type { Answer } from "./answers.ts";
export { HopstreamError, type ErrorDetails } from "./errors.ts";
export type * from "./events.ts";
export type { RequestOptions, Target } from "./http.ts";
export type * from "./options.ts";
export type { RetryOptions } from "./retries.ts";
export type { SocketFactory, SocketLike } from "./socket.ts";
export { streamChat } from "./stream_chat.ts";
export { requestTicket } from "./ticket.ts";
