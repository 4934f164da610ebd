import { once } from "node:events";
import { type AddressInfo, connect, createServer } from "node:net";
import type { EmbeddedPostgres } from "@lanekeeper/embedded-postgres";
import { afterAll, beforeAll, expect, test } from "vitest";
import { isUnavailable } from "../errors.ts";
import { startTestServer, TEST_TIMEOUT_MS, testDatabase } from "../test-database.ts";

let server: EmbeddedPostgres;
beforeAll(async () => {
  server = await startTestServer();
}, TEST_TIMEOUT_MS);
afterAll(async () => {
  await server.stop();
}, TEST_TIMEOUT_MS);

/** A way to the server on which nothing goes on until it is opened. */
async function slowWay() {
  let open = (): void => undefined;
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  let connections = 0;
  const { hostname, port } = new URL(server.url);
  const way = createServer((socket) => {
    connections += 1;
    socket.on("error", () => undefined);
    void opened.then(() => {
      const on = connect(Number(port), hostname);
      on.on("error", () => socket.destroy());
      socket.on("close", () => on.destroy());
      socket.pipe(on).pipe(socket);
    });
  });
  way.listen(0, "127.0.0.1");
  await once(way, "listening");
  const url = new URL(server.url);
  url.port = String((way.address() as AddressInfo).port);
  return {
    url: url.href,
    open: () => open(),
    get connections() {
      return connections;
    },
    [Symbol.dispose]: () => void way.close(),
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
