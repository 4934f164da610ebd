export type { ApiBehaviour, ApiCall, ApiServer } from "./channels/api-server.ts";
export { type SlackMessage, type SlackServer, startSlackServer } from "./channels/slack-server.ts";
export { bundledProgram } from "./bundled-program.ts";
export {
  startTelegramServer,
  type TelegramMessage,
  type TelegramServer,
} from "./channels/telegram-server.ts";
export {
  type ConnectCall,
  ConnectCallError,
  connectJson,
} from "./constellation/connect-json.ts";
export { freeEnvironment } from "./constellation/free-environment.ts";
export { type Program, type ProgramOptions, runProgram } from "./constellation/program.ts";
export {
  type ConstellationOptions,
  startConstellation,
  type TestConstellation,
} from "./constellation/start-constellation.ts";
export type { RunState, ServiceName } from "./constellation/state.ts";
export { eventually, type EventuallyOptions } from "./eventually.ts";
export { type Gate, gate } from "./gate.ts";
export type {
  ModelBehaviour,
  ModelRequest,
  ShownMessage,
  WantedTool,
} from "./model/behaviour.ts";
export { type ModelServer, startModelServer } from "./model/model-server.ts";
export {
  isSignedWith,
  type SinkAnswer,
  startWebhookSink,
  type WebhookPost,
  type WebhookSink,
} from "./webhook-sink.ts";
