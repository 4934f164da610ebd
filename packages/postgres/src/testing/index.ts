export { type LentSchema, type LentSchemas, lentSchemas } from "./lent-schemas.ts";
export { startThrowawayDatabase, type ThrowawayDatabase } from "./throwaway-database.ts";
