import type { Kysely } from "kysely";
import { TransactionAbortedError } from "./errors.ts";
import { kyselyOn } from "./kysely-on.ts";
import type { Lease } from "./lease.ts";
import type { Transaction } from "./queryable.ts";

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
  await connection.query(beginStatement(options));
  const { transaction, end } = openTransaction<Schema>(connection);
  try {
    const result = await work(transaction);
    end();
    const { command } = await connection.query("COMMIT");
    // After a failed statement COMMIT rolls back, says so, and succeeds.
    if (command !== "COMMIT") {
      throw new TransactionAbortedError(
        "a statement of the transaction failed, and its error was swallowed",
      );
    }
    return result;
  } catch (error) {
    end();
    await rollBack(connection);
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

/** A connection that is in doubt, or on which this fails, is closed when it is released. */
async function rollBack(connection: Lease): Promise<void> {
  const status = connection.status();
  if (status !== "T" && status !== "E") return;
  await connection.query("ROLLBACK").catch(() => undefined);
}

/** A handle that refuses statements after `end`: by then the connection may serve somebody else. */
function openTransaction<Schema>(connection: Lease) {
  let ended = false;
  const query: Lease["query"] = (statement, params) => {
    if (ended)
      return Promise.reject(new Error("the transaction has ended; nothing can be asked in it"));
    return connection.query(statement, params);
  };
  let kysely: Kysely<Schema> | undefined;
  const transaction: Transaction<Schema> = {
    isTransaction: true,
    query,
    get kysely() {
      return (kysely ??= kyselyOn<Schema>(async () => ({
        ...connection,
        query,
        release: () => undefined,
      })));
    },
  };
  return { transaction, end: () => (ended = true) };
}
