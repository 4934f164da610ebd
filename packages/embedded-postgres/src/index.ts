export { EmbeddedPostgresError, type EmbeddedPostgresProblem } from "./errors.ts";
export { openOwnFile, writeOwnFile } from "./cluster/owner.ts";
export { superuserUrl } from "./cluster/password.ts";
export type { ServerExit } from "./server/server.ts";
export { type EmbeddedPostgres, type StartOptions, startEmbeddedPostgres } from "./server/start.ts";
export { copyTemplate, TEMPLATE_VARIABLE } from "./cluster/template.ts";
export { startThrowawayPostgres } from "./throwaway.ts";
