import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";

/** A proxy that lets requests through and then cuts some of the connections they came on. */
export interface CuttingProxy extends AsyncDisposable {
  readonly baseUrl: string;
  /** Connections that were cut. */
  readonly cuts: number;
}

/**
 * The first `count` connections are cut when `when` resolves, so after their requests have arrived;
 * all later ones are left alone.
 */
export async function startCuttingProxy(
  target: string,
  { count, when }: { readonly count: number; readonly when: Promise<void> },
): Promise<CuttingProxy> {
  const { hostname, port } = new URL(target);
  const open = new Set<Socket>();
  let seen = 0;
  let cuts = 0;
  const server = createServer((client) => {
    const upstream = connect(Number(port), hostname);
    const both = [client, upstream];
    for (const socket of both) {
      open.add(socket);
      socket.on("error", () => undefined);
      socket.once("close", () => {
        open.delete(socket);
        for (const other of both) other.destroy();
      });
    }
    client.pipe(upstream).pipe(client);
    seen += 1;
    if (seen > count) return;
    void when.then(() => {
      cuts += 1;
      client.resetAndDestroy();
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    baseUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    get cuts() {
      return cuts;
    },
    [Symbol.asyncDispose]: async () => {
      for (const socket of open) socket.destroy();
      server.close();
      await once(server, "close");
    },
  };
}
