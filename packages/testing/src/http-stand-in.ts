import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/** A server on loopback at a free port. Disposal cuts every connection. */
export interface StandIn extends AsyncDisposable {
  readonly origin: string;
}

export async function startStandIn(
  handle: (request: IncomingMessage, response: ServerResponse) => Promise<void>,
): Promise<StandIn> {
  const server = createServer((request, response) => {
    // A caller that hangs up in the middle is part of many tests; a defect here shows as a cut answer.
    handle(request, response).catch(() => response.destroy());
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  return { origin: `http://127.0.0.1:${port}`, [Symbol.asyncDispose]: () => close(server) };
}

/** The whole body as text. */
export async function bodyOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString("utf8");
}

async function close(server: Server): Promise<void> {
  const closed = once(server, "close");
  server.close();
  server.closeAllConnections();
  await closed;
}
