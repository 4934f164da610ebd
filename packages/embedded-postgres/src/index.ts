export { EmbeddedPostgresError, type EmbeddedPostgresProblem } from "./errors.ts";
export { superuserUrl } from "./password.ts";
export type { ServerExit } from "./server.ts";
export { type EmbeddedPostgres, type StartOptions, startEmbeddedPostgres } from "./start.ts";
export { copyTemplate, TEMPLATE_VARIABLE } from "./template.ts";
export { startThrowawayPostgres } from "./throwaway.ts";
