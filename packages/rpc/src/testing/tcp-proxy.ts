import { connect, createServer, type Socket } from "node:net";
import { onTestFinished } from "vitest";

/** A TCP proxy in front of a port that can swallow or cut what passes. */
export interface TcpProxy {
  readonly address: string;
  /** Connections opened so far. */
  connections(): number;
  /** From now on nothing passes, and nothing is closed: a peer behind a dead link. */
  blackhole(): void;
  /** From now on what is sent waits: a peer that is stopped. */
  hold(): void;
  /** What waited passes, and all that follows. */
  pass(): void;
  /** Closes all connections. */
  cut(): void;
}

export async function tcpProxy(port: number): Promise<TcpProxy> {
  const sockets = new Set<Socket>();
  let opened = 0;
  let swallowing = false;
  let held: (() => void)[] | undefined;
  const server = createServer((inside) => {
    opened += 1;
    const outside = connect(port, "127.0.0.1");
    for (const [from, to] of [
      [inside, outside],
      [outside, inside],
    ] as const) {
      sockets.add(from);
      from.on("data", (bytes) => {
        if (swallowing) return;
        if (held === undefined) to.write(bytes);
        else held.push(() => to.write(bytes));
      });
      from.on("close", () => {
        sockets.delete(from);
        to.destroy();
      });
      from.on("error", () => {});
    }
  });
  const cut = () => {
    for (const socket of sockets) socket.destroy();
  };
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => {
    cut();
    server.close();
  });
  const bound = server.address();
  if (bound === null || typeof bound === "string") throw new Error("not a TCP server");
  return {
    address: `127.0.0.1:${bound.port}`,
    connections: () => opened,
    blackhole: () => {
      swallowing = true;
    },
    hold: () => {
      held = [];
    },
    pass: () => {
      for (const write of held ?? []) write();
      held = undefined;
    },
    cut,
  };
}
