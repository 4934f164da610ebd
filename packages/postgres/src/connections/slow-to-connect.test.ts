import type { EmbeddedPostgres } from "@lanekeeper/embedded-postgres";
import { afterAll, beforeAll, expect, test } from "vitest";
import { isUnavailable } from "../errors.ts";
import { gate, startTestServer, TEST_TIMEOUT_MS, testDatabase, wayTo } from "../test-database.ts";

let server: EmbeddedPostgres;
beforeAll(async () => {
  server = await startTestServer();
}, TEST_TIMEOUT_MS);
afterAll(async () => {
  await server.stop();
}, TEST_TIMEOUT_MS);

/** A way to the server on which nothing goes on until it is opened. */
async function slowWay() {
  const { opened, open } = gate();
  let connections = 0;
  const way = await wayTo(server.url, (socket, connect) => {
    connections += 1;
    void opened.then(() => socket.pipe(connect()).pipe(socket));
  });
  return {
    ...way,
    open,
    get connections() {
      return connections;
    },
  };
}

test("a connection that takes longer than anybody waits is made all the same, for who asks next", async () => {
  using way = await slowWay();
  await using db = testDatabase({ url: way.url, poolSize: 1, acquireTimeoutMs: 200 });
  for (let asked = 0; asked < 3; asked += 1) {
    const error = await db.query("SELECT 1").catch((cause: unknown) => cause);
    expect(isUnavailable(error)).toBe(true);
    expect((error as Error).message).toContain("within 200 ms");
  }
  way.open();
  await expect.poll(() => db.stats().idle).toBe(1);
  expect((await db.query("SELECT 1 AS one")).rows).toEqual([{ one: 1 }]);
  expect(way.connections).toBe(1);
});
