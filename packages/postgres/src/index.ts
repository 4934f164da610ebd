export {
  byPlace,
  type Column,
  itemParams,
  itemTable,
  type Laid,
  layEndToEnd,
  type Slice,
} from "./batch-items.ts";
export { type AbortState, Batcher, type BatcherOptions, createBatcher } from "./batcher.ts";
export {
  BatchContractError,
  BatcherClosedError,
  BatcherOverloadedError,
  Rejected,
} from "./batcher-errors.ts";
export { type CheckSchemaOptions, checkSchema } from "./check-schema.ts";
export { type Database, type PoolStats, createDatabase } from "./database.ts";
export {
  DatabaseUnavailableError,
  TransactionAbortedError,
  isSerializationRetryable,
  isUnavailable,
  isUniqueViolation,
} from "./errors.ts";
export { keyIsWithin } from "./key-within.ts";
export { type MigrateOptions, type MigrateResult, migrate } from "./migrate.ts";
export { type SchemaProblem, SchemaVersionError } from "./migration-record.ts";
export { analyzeOutgrown } from "./outgrown.ts";
export type { PoolOptions } from "./pool.ts";
export { type ProvisionOptions, type Provisioned, provisionService } from "./provision.ts";
export type { PreparedStatement, QueryResult, Queryable, Transaction } from "./queryable.ts";
export { retryOnDeadlock } from "./retry-transaction.ts";
export type { TransactionOptions } from "./transaction.ts";
export { UNHURRIED } from "./unhurried.ts";
