export { MIGRATIONS, SCHEMA } from "./config.ts";
export { LIMITS } from "./limits.ts";
export { startRunner } from "./start.ts";
