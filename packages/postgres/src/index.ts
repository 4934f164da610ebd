export {
  byPlace,
  type Column,
  itemParams,
  itemTable,
  type Laid,
  layEndToEnd,
  type Slice,
} from "./batching/batch-items.ts";
export {
  type AbortState,
  Batcher,
  type BatcherOptions,
  createBatcher,
} from "./batching/batcher.ts";
export {
  BatchContractError,
  BatcherClosedError,
  BatcherOverloadedError,
  Rejected,
} from "./batching/batcher-errors.ts";
export { type CheckSchemaOptions, checkSchema } from "./schema/check-schema.ts";
export { type Database, type PoolStats, createDatabase } from "./connections/database.ts";
export {
  DatabaseUnavailableError,
  TransactionAbortedError,
  isSerializationRetryable,
  isUnavailable,
  isUniqueViolation,
} from "./errors.ts";
export { UnfitDatabaseError } from "./schema/encoding.ts";
export { keyIsWithin } from "./key-within.ts";
export { pageOf, pageOfBytes, type PageRow } from "./page-of-bytes.ts";
export { type MigrateOptions, type MigrateResult, migrate } from "./schema/migrate.ts";
export { newestMigration } from "./schema/migration-file.ts";
export { type SchemaProblem, SchemaVersionError } from "./schema/migration-record.ts";
export { analyzeOutgrown } from "./schema/outgrown.ts";
export type { PoolOptions } from "./connections/pool.ts";
export { type ProvisionOptions, type Provisioned, provisionService } from "./schema/provision.ts";
export type {
  PreparedStatement,
  QueryResult,
  Queryable,
  Transaction,
} from "./connections/queryable.ts";
export { retryOnDeadlock } from "./transactions/retry-transaction.ts";
export type { TransactionOptions } from "./transactions/transaction.ts";
export { UNHURRIED } from "./transactions/unhurried.ts";
