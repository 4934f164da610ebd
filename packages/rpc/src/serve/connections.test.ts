import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { eventually } from "@lanekeeper/testing";
import { expect, onTestFinished, test } from "vitest";
import { createAuthority, createIdentity } from "../testing/certificate.ts";
import { echoClient, startEcho } from "../testing/echo.ts";
import { PortBusyError } from "./listen.ts";

async function idle(port: number): Promise<Socket> {
  const socket = connect(port, "127.0.0.1");
  socket.on("error", () => undefined);
  onTestFinished(() => void socket.destroy());
  await once(socket, "connect");
  return socket;
}

const authority = createAuthority("test root");
const identity = createIdentity(authority, "session-identity");

test.each([
  ["plain", undefined, undefined],
  ["TLS", identity, { ca: authority.cert }],
])(
  "connections over the bound are closed at once and told; the room comes back: %s",
  async (_, tls, trust) => {
    let refused = 0;
    const { server } = await startEcho({
      tls,
      limits: { maxConnections: 2 },
      onConnectionRefused: () => {
        refused += 1;
      },
    });
    const first = await idle(server.port);
    await idle(server.port);
    const third = await idle(server.port);
    if (!third.closed) await once(third, "close");
    expect(refused).toBe(1);
    first.destroy();
    const client = echoClient(`localhost:${server.port}`, {
      ...(trust === undefined ? {} : { tls: trust }),
      retry: { maxAttempts: 1 },
    });
    await eventually(
      async () => (await client.echo({ text: "in" }).catch(() => undefined)) !== undefined,
    );
  },
);

test("a drain ends connections that never said anything", async () => {
  const { server } = await startEcho({ tls: identity });
  const silent = await idle(server.port);
  await server.drain({ timeoutMs: 0 });
  if (!silent.closed) await once(silent, "close");
  await expect(idle(server.port)).rejects.toThrow("ECONNREFUSED");
});

test("a port in use is told, with what to do", async () => {
  const { server } = await startEcho();
  const again = startEcho({ port: server.port, explainBusyPort: () => "move it" });
  await expect(again).rejects.toThrow(PortBusyError);
  await expect(again).rejects.toThrow(`port ${server.port} on 127.0.0.1 is in use: move it`);
});
