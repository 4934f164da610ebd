import type { EmbeddedPostgres } from "@lanekeeper/embedded-postgres";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import type { Database } from "../connections/database.ts";
import { TransactionAbortedError, isSerializationRetryable, isUnavailable } from "../errors.ts";
import { LIMITS } from "../limits.ts";
import type { Transaction } from "../connections/queryable.ts";
import { retryOnDeadlock } from "./retry-transaction.ts";
import { TEST_TIMEOUT_MS, gate, startTestServer, testDatabase } from "../test-database.ts";

type Schema = { notes: { id: number; text: string } };

let server: EmbeddedPostgres;
let db: Database<Schema>;
beforeAll(async () => {
  server = await startTestServer();
  db = testDatabase<Schema>({ url: server.url });
  await db.query("CREATE TABLE notes (id int PRIMARY KEY, text text NOT NULL)");
}, TEST_TIMEOUT_MS);
beforeEach(async () => {
  await db.query("TRUNCATE notes");
});
afterAll(async () => {
  await db.close();
  await server.stop();
}, TEST_TIMEOUT_MS);

const insert = { name: "insert_note", text: "INSERT INTO notes VALUES ($1, $2)" };
const notes = async () => (await db.query<Schema["notes"]>("SELECT * FROM notes ORDER BY id")).rows;

test("raw statements and Kysely share one transaction, which commits", async () => {
  const seen = await db.transaction(async (transaction) => {
    await transaction.query(insert, [1, "raw"]);
    await transaction.kysely.insertInto("notes").values({ id: 2, text: "kysely" }).execute();
    return transaction.kysely.selectFrom("notes").select("id").orderBy("id").execute();
  });
  expect(seen).toEqual([{ id: 1 }, { id: 2 }]);
  expect(await notes()).toHaveLength(2);
});

test("a transaction that throws is rolled back, and its error is the one that was thrown", async () => {
  const failure = new Error("changed my mind");
  const attempt = db.transaction(async (transaction) => {
    await transaction.query(insert, [1, "gone"]);
    throw failure;
  });
  await expect(attempt).rejects.toBe(failure);
  expect(await notes()).toEqual([]);
});

test("a swallowed error does not pass for a commit", async () => {
  const attempt = db.transaction(async (transaction) => {
    await transaction.query(insert, [1, "one"]);
    await transaction.query(insert, [1, "again"]).catch(() => undefined);
  });
  await expect(attempt).rejects.toBeInstanceOf(TransactionAbortedError);
  expect(await notes()).toEqual([]);
});

test("the last statement is answered once it is committed, and nothing follows it", async () => {
  const kept = await db.transaction(async (transaction) => {
    await transaction.query(insert, [1, "one"]);
    const { rowCount } = await transaction.queryAndCommit(insert, [2, "two"]);
    expect(rowCount).toBe(1);
    expect(await notes()).toHaveLength(2);
    await expect(transaction.query("SELECT 1")).rejects.toThrow("has ended");
    return transaction;
  });
  await expect(kept.queryAndCommit("SELECT 1")).rejects.toThrow("has ended");
  expect((await notes()).map(({ id }) => id)).toEqual([1, 2]);
});

test("a last statement that fails takes the others back, and its error is told", async () => {
  const attempt = db.transaction(async (transaction) => {
    await transaction.query(insert, [1, "one"]);
    await transaction.queryAndCommit(insert, [1, "again"]);
  });
  await expect(attempt).rejects.toMatchObject({ code: "23505" });
  expect(await notes()).toEqual([]);
  // The connection serves the next one.
  await db.transaction((transaction) => transaction.queryAndCommit(insert, [3, "three"]));
  expect(await notes()).toHaveLength(1);
});

test("a last statement behind one that failed is no commit, whoever swallowed the error", async () => {
  const attempt = db.transaction(async (transaction) => {
    await transaction.query(insert, [1, "one"]);
    const failed = transaction.query(insert, [1, "again"]).catch(() => undefined);
    await transaction.queryAndCommit("SELECT 1");
    await failed;
  });
  await expect(attempt).rejects.toMatchObject({ code: "25P02" });
  expect(await notes()).toEqual([]);
});

test("statements that nobody waits between run in the order in which they were asked", async () => {
  const seen = await db.transaction(async (transaction) => {
    const [, { rows }] = await Promise.all([
      transaction.query(insert, [1, "first"]),
      transaction.query<Schema["notes"]>("SELECT * FROM notes"),
    ]);
    return rows;
  });
  expect(seen).toEqual([{ id: 1, text: "first" }]);
});

test("a handle that outlives its transaction refuses statements", async () => {
  let kept: Transaction<Schema> | undefined;
  await db.transaction(async (transaction) => {
    kept = transaction;
    await transaction.kysely.selectFrom("notes").selectAll().execute();
  });
  await expect(kept?.query(insert, [1, "late"])).rejects.toThrow("transaction has ended");
  await expect(kept?.kysely.selectFrom("notes").selectAll().execute()).rejects.toThrow(
    "transaction has ended",
  );
  expect(await notes()).toEqual([]);
});

test("a transaction whose connection is lost is an outage, and does not end the process", async () => {
  const lost = gate();
  const attempt = db.transaction(async (transaction) => {
    const { rows } = await transaction.query<{ pid: number }>("SELECT pg_backend_pid() AS pid");
    await db.query("SELECT pg_terminate_backend($1, 5000)", [rows[0]?.pid]);
    lost.open();
    await transaction.query(insert, [1, "lost"]);
  });
  await lost.opened;
  const error = await attempt.catch((cause: unknown) => cause);
  expect(isUnavailable(error)).toBe(true);
  expect(await notes()).toEqual([]);
});

test("a transaction that idles too long is ended by the server", async () => {
  const attempt = db.transaction(async (transaction) => {
    await transaction.query("SET LOCAL idle_in_transaction_session_timeout = 20");
    const { rows } = await transaction.query<{ pid: number }>("SELECT pg_backend_pid() AS pid");
    const alive = "SELECT FROM pg_stat_activity WHERE pid = $1";
    while ((await db.query(alive, [rows[0]?.pid])).rowCount > 0);
    await transaction.query("SELECT 1");
  });
  const error = await attempt.catch((cause: unknown) => cause);
  expect(isUnavailable(error)).toBe(true);
});

test("isolation and access mode are the transaction's", async () => {
  const modes = await db.transaction(
    async (transaction) =>
      (
        await transaction.query(
          "SELECT current_setting('transaction_isolation') AS i, current_setting('transaction_read_only') AS r",
        )
      ).rows,
    { isolation: "repeatable read", readOnly: true },
  );
  expect(modes).toEqual([{ i: "repeatable read", r: "on" }]);
});

test("two transactions that deadlock both commit when run again", async () => {
  await db.query("INSERT INTO notes VALUES (1, ''), (2, '')");
  const append = { name: "append_note", text: "UPDATE notes SET text = text || $2 WHERE id = $1" };
  const locked = [gate(), gate()] as const;
  let attempts = 0;
  const both = (mine: 0 | 1, ids: [number, number], mark: string) =>
    retryOnDeadlock(() => {
      attempts += 1;
      return db.transaction(async (transaction) => {
        await transaction.query(append, [ids[0], mark]);
        locked[mine].open();
        await locked[mine === 0 ? 1 : 0].opened;
        await transaction.query(append, [ids[1], mark]);
      });
    });
  await Promise.all([both(0, [1, 2], "a"), both(1, [2, 1], "b")]);
  expect(attempts).toBe(3);
  for (const { text } of await notes()) expect(["ab", "ba"]).toContain(text);
});

test("retries end with the last error, and other errors are not retried", async () => {
  await db.query("INSERT INTO notes VALUES (1, '')");
  const update = "UPDATE notes SET text = 'x' WHERE id = 1";
  let attempts = 0;
  const conflicting = retryOnDeadlock(
    () => {
      attempts += 1;
      return db.transaction(
        async (transaction) => {
          await transaction.query("SELECT FROM notes");
          await db.query(update);
          await transaction.query(update);
        },
        { isolation: "repeatable read" },
      );
    },
    () => Promise.resolve(),
  );
  const error = await conflicting.catch((cause: unknown) => cause);
  expect(isSerializationRetryable(error)).toBe(true);
  expect(attempts).toBe(LIMITS.transactionAttempts);

  let others = 0;
  const failing = retryOnDeadlock(async () => {
    others += 1;
    throw new Error("a bug");
  });
  await expect(failing).rejects.toThrow("a bug");
  expect(others).toBe(1);
});
