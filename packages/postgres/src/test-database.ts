import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { type EmbeddedPostgres, startThrowawayPostgres } from "@lanekeeper/embedded-postgres";
import { type Database, createDatabase } from "./connections/database.ts";
import type { PoolOptions } from "./connections/pool.ts";

/** Starting a server takes half a second on an idle machine; tests run beside others. */
export const TEST_TIMEOUT_MS = 60_000;

export const startTestServer = (): Promise<EmbeddedPostgres> => startThrowawayPostgres();

/** A database of the test server, quiet unless told otherwise. */
export function testDatabase<Schema = Record<string, never>>(
  options: Partial<PoolOptions> & { url: string },
): Database<Schema> {
  return createDatabase<Schema>({
    poolSize: 4,
    applicationName: "test",
    log: () => undefined,
    ...options,
  });
}

/**
 * A server of ours before Postgres, at a URL like its own. `pass` has each connection, and opens the one behind it,
 * which ends with it.
 */
export async function wayTo(
  serverUrl: string,
  pass: (socket: Socket, open: () => Socket) => void,
): Promise<{ readonly url: string } & Disposable> {
  const url = new URL(serverUrl);
  const [port, host] = [Number(url.port), url.hostname];
  const way = createServer((socket) => {
    socket.on("error", () => undefined);
    pass(socket, () => {
      const on = connect(port, host);
      on.on("error", () => socket.destroy());
      socket.on("close", () => on.destroy());
      return on;
    });
  });
  way.listen(0, "127.0.0.1");
  await once(way, "listening");
  url.port = String((way.address() as AddressInfo).port);
  return { url: url.href, [Symbol.dispose]: () => void way.close() };
}

/** A promise and the function that resolves it, to hold a step until the test lets it go. */
export function gate(): { opened: Promise<void>; open: () => void } {
  let open = () => undefined as void;
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { opened, open };
}
