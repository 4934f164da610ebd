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
  const { transaction, end } = openTransaction<Schema>(connection, beginStatement(options));
  try {
    const result = await work(transaction);
    await end("COMMIT");
    return result;
  } catch (error) {
    await end("ROLLBACK");
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
function openTransaction<Schema>(connection: Lease, beginning: string) {
  let ended = false;
  let begun: Promise<unknown> | undefined;
  let kysely: Kysely<Schema> | undefined;
  const query: Lease["query"] = async (statement, params) => {
    if (ended) throw new Error("the transaction has ended; nothing can be asked in it");
    begun ??= connection.query(beginning);
    const [, answer] = await Promise.all([begun, connection.query(statement, params)]);
    return answer as never;
  };
  const transaction: Transaction<Schema> = {
    isTransaction: true,
    query,
    queryAndCommit: async (statement, params) => {
      const asked = query(statement, params);
      ended = true;
      const [answered, committed] = await Promise.allSettled([asked, commit(connection)]);
      if (answered.status === "rejected") throw answered.reason;
      if (committed.status === "rejected") throw committed.reason;
      return answered.value as never;
    },
    get kysely() {
      return (kysely ??= kyselyOn<Schema>(async () => ({
        ...connection,
        query,
        release: () => undefined,
      })));
    },
  };
  const end = async (how: "COMMIT" | "ROLLBACK"): Promise<void> => {
    const isOpen = !ended && begun !== undefined;
    ended = true;
    if (how === "ROLLBACK") await rollBack(connection);
    else if (isOpen) await commit(connection);
  };
  return { transaction, end };
}
