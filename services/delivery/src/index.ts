export { SCHEMA } from "./config.ts";
export { LIMITS, type Limits } from "./limits.ts";
export { type DeliveryParts, type RunningDelivery, serveDelivery } from "./serve.ts";
export { MIGRATIONS, startDelivery } from "./start.ts";
