import { createServer as createHttp2Server, connect as connectHttp2 } from "node:http2";
import { test } from "vitest";
import { closableServer } from "./close-http-server.ts";

test("closing an HTTP/2 server does not wait for a client that keeps its session", async () => {
  const server = createHttp2Server();
  const closer = closableServer(server);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("not a TCP server");
  const session = connectHttp2(`http://127.0.0.1:${address.port}`);
  await new Promise((resolve) => session.once("remoteSettings", resolve));
  await closer.close(60_000);
  session.destroy();
});
