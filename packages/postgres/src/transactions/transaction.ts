import type { Kysely } from "kysely";
import { TransactionAbortedError } from "../errors.ts";
import { kyselyOn } from "../connections/kysely-on.ts";
import type { Lease } from "../connections/lease.ts";
import type { Transaction } from "../connections/queryable.ts";

export type TransactionOptions = {
  /** Default READ COMMITTED, as the server has it. */
  isolation?: "read committed" | "repeatable read" | "serializable";
  readOnly?: boolean;
};

/** Runs `work` in a transaction on one connection, which stays checked out. */
export async function inTransaction<Schema, Result>(
  connection: Lease,
  work: (transaction: Transaction<Schema>) => Promise<Result>,
  options: TransactionOptions = {},
): Promise<Result> {
  const transaction = new OpenTransaction<Schema>(connection, beginStatement(options));
  try {
    const result = await work(transaction);
    await transaction.end("COMMIT");
    return result;
  } catch (error) {
    await transaction.end("ROLLBACK");
    throw error;
  }
}

function beginStatement({ isolation, readOnly }: TransactionOptions): string {
  const modes = [
    isolation && `ISOLATION LEVEL ${isolation.toUpperCase()}`,
    readOnly && "READ ONLY",
  ];
  return ["BEGIN", ...modes.filter(Boolean)].join(" ");
}

async function commit(connection: Lease): Promise<void> {
  const { command } = await connection.query("COMMIT");
  // After a failed statement COMMIT rolls back, says so, and succeeds.
  if (command === "COMMIT") return;
  throw new TransactionAbortedError(
    "a statement of the transaction failed, and its error was swallowed",
  );
}

/** A connection that is in doubt, or on which this fails, is closed when it is released. */
async function rollBack(connection: Lease): Promise<void> {
  const status = connection.status();
  if (status !== "T" && status !== "E") return;
  await connection.query("ROLLBACK").catch(() => undefined);
}

/**
 * A handle that refuses statements after its end: by then the connection may serve somebody else. BEGIN
 * goes with the first statement, whose answer is held back until BEGIN is answered too.
 */
class OpenTransaction<Schema> implements Transaction<Schema> {
  readonly isTransaction = true;
  readonly #connection: Lease;
  readonly #beginning: string;
  #ended = false;
  #begun: Promise<unknown> | undefined;
  #kysely: Kysely<Schema> | undefined;

  constructor(connection: Lease, beginning: string) {
    this.#connection = connection;
    this.#beginning = beginning;
  }

  readonly query: Lease["query"] = async (statement, params) => {
    if (this.#ended) throw new Error("the transaction has ended; nothing can be asked in it");
    this.#begun ??= this.#connection.query(this.#beginning);
    const asked = this.#connection.query(statement, params);
    const [, answer] = await Promise.all([this.#begun, asked]);
    return answer as never;
  };

  readonly queryAndCommit: Lease["query"] = async (statement, params) => {
    const asked = this.query(statement, params);
    this.#ended = true;
    const [answered, committed] = await Promise.allSettled([asked, commit(this.#connection)]);
    if (answered.status === "rejected") throw answered.reason;
    if (committed.status === "rejected") throw committed.reason;
    return answered.value as never;
  };

  get kysely(): Kysely<Schema> {
    this.#kysely ??= kyselyOn<Schema>(async () => ({
      ...this.#connection,
      query: this.query,
      release: () => undefined,
    }));
    return this.#kysely;
  }

  async end(how: "COMMIT" | "ROLLBACK"): Promise<void> {
    const isOpen = !this.#ended && this.#begun !== undefined;
    this.#ended = true;
    if (how === "ROLLBACK") await rollBack(this.#connection);
    else if (isOpen) await commit(this.#connection);
  }
}
