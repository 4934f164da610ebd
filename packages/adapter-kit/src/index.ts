export { finalRefusal } from "./acknowledges.ts";
export { commandOf, isCommand } from "./command-word.ts";
export type { TakeOptions } from "./deadline.ts";
export type {
  AdapterAccount,
  Command,
  CommandEvent,
  EventName,
  IgnoredEvent,
  InboundEvent,
  MessageEvent,
  MovedPlace,
  PartInit,
  PeerInit,
  ReplyPlace,
  SamePeer,
  SamePeerEvent,
  StoppableTurn,
} from "./event.ts";
export type { Outcome, RegisteredRoute } from "./outcome.ts";
export type { AdapterPorts, Said } from "./ports.ts";
export { type EventSource, EventTaker } from "./take-event.ts";
export { equalSecrets } from "./verify/equal-secrets.ts";
export { type HmacRules, isHmacOf, isRecent } from "./verify/hmac.ts";
export { isStandardWebhook, type StandardHeaders } from "./verify/standard-webhooks.ts";
