import { once } from "node:events";
import { createServer, type Socket } from "node:net";
import type { AddressInfo } from "node:net";

/** A TCP server that records what it hears, and answers the first bytes with a text. */
export async function startRecorder(answer?: string, at = 0, host = "127.0.0.1") {
  const sockets: Socket[] = [];
  let heard = "";
  let tell = (): void => undefined;
  const first = new Promise<void>((resolve) => {
    tell = resolve;
  });
  let close = (): void => undefined;
  const closed = new Promise<void>((resolve) => {
    close = resolve;
  });
  const server = createServer((socket) => {
    sockets.push(socket);
    socket.on("error", () => undefined);
    socket.on("close", close);
    socket.on("data", (chunk) => {
      heard += chunk.toString("latin1");
      if (answer !== undefined) socket.write(answer);
      tell();
    });
  });
  server.listen(at, host);
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://${host}:${port}/`,
    received: () => heard,
    heard: () => first,
    closed: () => closed,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, "close");
    },
  };
}
