import { once } from "node:events";
import { connect } from "node:net";
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
  await once(socket, "close");
  return text;
}
