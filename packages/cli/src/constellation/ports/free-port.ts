import { randomInt } from "node:crypto";
import { createSocket } from "node:dgram";
import { createServer } from "node:net";
import { CliError } from "../../cli-error.ts";

/** Below the ports that systems give to outgoing connections (32768 on Linux, 49152 elsewhere). */
const QUIET_PORTS = { from: 20_000, to: 32_000 };
const ATTEMPTS = 20;

/**
 * A free port, another one at each call, in whichever process of this machine: a start's services
 * listen only seconds after it, and again after each restart. Not one of those that an outgoing
 * connection of some program may take before our listener does, as long as others can be had.
 * @throws CliError if nothing can listen on the host
 */
export async function freePort(host: string, among = QUIET_PORTS): Promise<number> {
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const candidate = randomInt(among.from, among.to);
    const claim = await claimNumber(candidate);
    if (claim === "taken") continue;
    if ((await tryListen(host, candidate)) === candidate) return candidate;
    claim.release();
  }
  const port = await tryListen(host, 0);
  if (typeof port === "number") return port;
  throw new CliError(
    `Nothing can listen on ${host} (${port}): set LANEKEEPER_HOST to an address of this machine.`,
  );
}

/**
 * Keeps a port's number for this process's life from others that ask here, while nobody listens on
 * the port itself: by its namesake among the UDP ports, which no service of ours uses, and which the
 * system frees however the process ends. Where there is no loopback address to do so, nobody is kept
 * from it.
 */
function claimNumber(port: number): Promise<"taken" | { release: () => void }> {
  const socket = createSocket("udp4").unref();
  return new Promise((resolve) => {
    socket.once("error", (error: NodeJS.ErrnoException) => {
      socket.close();
      resolve(error.code === "EADDRINUSE" ? "taken" : { release: () => undefined });
    });
    socket.bind({ address: "127.0.0.1", port, exclusive: true }, () =>
      resolve({ release: () => socket.close() }),
    );
  });
}

/** The port that could be bound, or the error's code. */
export function tryListen(host: string, port: number): Promise<number | string> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
    server.listen({ host, port, exclusive: true }, () => {
      const address = server.address();
      const bound = typeof address === "object" && address !== null ? address.port : port;
      server.close(() => resolve(bound));
    });
  });
}
