import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { afterEach, expect, test } from "vitest";
import { ask } from "../testing/ask.ts";
import { startTestIngress, type TestIngress } from "../testing/test-ingress.ts";

let lane: TestIngress;
const open: Socket[] = [];

afterEach(async () => {
  for (const socket of open.splice(0)) socket.destroy();
  await lane[Symbol.asyncDispose]();
});

async function idle(begun = ""): Promise<Socket> {
  const { hostname, port } = new URL(lane.url);
  const socket = connect(Number(port), hostname);
  socket.on("error", () => undefined);
  open.push(socket);
  await once(socket, "connect");
  socket.resume();
  if (begun !== "") socket.write(begun);
  return socket;
}

test("a thousand idle connections cost little, and whoever asks is answered", async () => {
  lane = await startTestIngress();
  const before = process.memoryUsage().rss;
  await Promise.all(Array.from({ length: 1_000 }, () => idle()));
  // Both ends are of this process; 10,000 of them at a server alone are half of this each.
  const bytesEach = (process.memoryUsage().rss - before) / 1_000;
  expect(bytesEach).toBeLessThan(64 * 1024);
  expect((await ask(lane)).status).toBe(200);
});

test("connections over the bound are closed at once and counted; the room comes back", async () => {
  lane = await startTestIngress({ limits: { maxConnections: 3 } });
  await Promise.all([idle(), idle(), idle()]);
  const refused = await idle();
  await once(refused, "close");
  expect(await lane.metrics()).toMatch(/http_connections_refused_total\S* 1/);
  open[0]?.destroy();
  const status = async () => (await ask(lane).catch(() => undefined))?.status;
  await expect.poll(status).toBe(200);
});

test("who begins a request and sends no more of it is cut off, idle or not", async () => {
  const limits = { headersTimeoutMs: 50, requestTimeoutMs: 50, timeoutCheckMs: 20 };
  lane = await startTestIngress({ limits });
  const socket = await idle("POST /v1/responses HTTP/1.1\r\nhost: x\r\ncontent-le");
  let said = "";
  socket.on("data", (chunk: Buffer) => (said += chunk.toString()));
  await once(socket, "close");
  expect(said).toContain("408");
  expect(lane.runner.turns).toHaveLength(0);
});
