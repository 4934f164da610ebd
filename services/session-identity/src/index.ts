export { MIGRATIONS, SCHEMA } from "./migrations.ts";
export { startSessionIdentity } from "./service.ts";
