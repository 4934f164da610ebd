import type { EmbeddedPostgres } from "@lanekeeper/embedded-postgres";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startTestServer, TEST_TIMEOUT_MS, testDatabase, wayTo } from "../test-database.ts";

let server: EmbeddedPostgres;
beforeAll(async () => {
  server = await startTestServer();
}, TEST_TIMEOUT_MS);
afterAll(async () => {
  await server.stop();
}, TEST_TIMEOUT_MS);

/** A startup message: its length, the protocol's version, then names and values, each ended by a zero. */
function withOnly(names: ReadonlySet<string>, startup: Buffer): Buffer {
  const words = startup.subarray(8).toString().split("\0");
  const kept: string[] = [];
  for (let at = 0; at + 1 < words.length && words[at] !== ""; at += 2) {
    if (names.has(words[at] ?? "")) kept.push(words[at] ?? "", words[at + 1] ?? "");
  }
  const body = Buffer.from(`${kept.join("\0")}\0\0`);
  const length = Buffer.alloc(4);
  length.writeInt32BE(8 + body.length);
  return Buffer.concat([length, startup.subarray(4, 8), body]);
}

/** As poolers do that are told to ignore what they do not keep themselves. */
const pooler = () =>
  wayTo(server.url, (socket, connect) => {
    const on = connect();
    on.on("close", () => socket.destroy());
    socket.once("data", (startup: Buffer) => {
      on.write(withOnly(new Set(["user", "database", "application_name"]), startup));
      socket.pipe(on).pipe(socket);
    });
  });

test("a connection has the settings that it asked for", { timeout: TEST_TIMEOUT_MS }, async () => {
  await using db = testDatabase({ url: server.url, schema: "runner", plans: "look-ups" });
  const { rows } = await db.query(
    `SELECT current_setting('search_path') AS path, current_setting('plan_cache_mode') AS plans,
       current_setting('statement_timeout') AS statement,
       current_setting('idle_in_transaction_session_timeout') AS idle`,
  );
  expect(rows).toEqual([
    { path: "runner", plans: "force_generic_plan", statement: "10s", idle: "5s" },
  ]);
});

test("one whose settings a pooler keeps to itself is refused: its statements would meet other schemas' tables", {
  timeout: TEST_TIMEOUT_MS,
}, async () => {
  using way = await pooler();
  await using db = testDatabase({ url: way.url, poolSize: 1 });
  await expect(db.query("CREATE TABLE astray (id int)")).rejects.toThrow(
    /no connection to the database at .*: what stands before the database, such as a pooler/,
  );
  await using direct = testDatabase({ url: server.url });
  const { rows } = await direct.query("SELECT to_regclass('astray') AS astray");
  expect(rows).toEqual([{ astray: null }]);
});
