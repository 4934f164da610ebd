export { SCHEMA } from "./config.ts";
export { DEFAULT_LIMITS, type IngressLimits } from "./limits.ts";
export { MIGRATIONS, startIngress } from "./start.ts";
export { type IngressParts, type RunningIngress, serveIngress } from "./serve.ts";
