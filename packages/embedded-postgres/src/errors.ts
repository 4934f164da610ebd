/** What went wrong, for programs. The message of the error says what a person can do about it. */
export type EmbeddedPostgresProblem =
  | "unsupported_platform"
  | "musl"
  | "binaries_missing"
  | "binaries_unusable"
  | "account_missing"
  | "account_unusable"
  | "unknown_uid"
  | "wrong_owner"
  | "wrong_major_version"
  | "already_running"
  | "data_missing"
  | "data_unreachable"
  | "data_dir_unwritable"
  | "password_missing"
  | "initdb_failed"
  | "start_failed"
  | "start_timeout"
  | "start_aborted"
  | "stop_failed";

/** Everything that this package throws on purpose. */
export class EmbeddedPostgresError extends Error {
  override readonly name = "EmbeddedPostgresError";
  readonly problem: EmbeddedPostgresProblem;

  constructor(problem: EmbeddedPostgresProblem, message: string, options?: ErrorOptions) {
    super(message, options);
    this.problem = problem;
  }
}

/** The way out that always works, appended to messages that have no better one. */
export const USE_YOUR_OWN = "or set DATABASE_URL to use a Postgres server of your own";
