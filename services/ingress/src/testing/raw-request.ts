import { connect, type Socket } from "node:net";
import type { TestIngress } from "./test-ingress.ts";

/** Sends bytes as they are, and gives what comes back until the server closes. */
export async function rawRequest(
  { ingress }: Pick<TestIngress, "ingress">,
  bytes: string | Uint8Array,
): Promise<string> {
  const socket = connect(ingress.httpPort, "127.0.0.1");
  let text = "";
  socket.setEncoding("latin1").on("data", (part: string) => (text += part));
  socket.on("error", () => undefined).write(bytes);
  await closed(socket);
  return text;
}

/** Whoever is closed while it still sends is told ECONNRESET, by chance; `events.once` would throw it. */
export function closed(socket: Socket): Promise<void> {
  return new Promise((resolve) => socket.once("close", () => resolve()));
}
