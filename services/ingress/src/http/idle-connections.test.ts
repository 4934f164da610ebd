import { spawn } from "node:child_process";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { afterEach, expect, test } from "vitest";
import { DEFAULT_LIMITS } from "../limits.ts";
import { ask } from "../testing/ask.ts";
import { closed } from "../testing/raw-request.ts";
import { startTestIngress, type TestIngress } from "../testing/test-ingress.ts";

let lane: TestIngress;
const open: Socket[] = [];

afterEach(async () => {
  for (const socket of open.splice(0)) socket.destroy();
  await lane[Symbol.asyncDispose]();
});

async function idle(begun = "", port = lane.ingress.httpPort): Promise<Socket> {
  const socket = connect(port, new URL(lane.url).hostname);
  socket.on("error", () => undefined);
  open.push(socket);
  await once(socket, "connect");
  socket.resume();
  if (begun !== "") socket.write(begun);
  return socket;
}

/** The other end of many connections, in a process of its own: each end takes a descriptor. */
const CROWD = `
  const [port, count] = process.argv.slice(1).map(Number);
  const { connect } = require("node:net");
  let begun = 0, open = 0;
  const next = () => {
    if (begun++ >= count) return;
    const socket = connect(port, "127.0.0.1", () => {
      if (++open === count) console.log("all");
      next();
    });
    socket.on("error", (error) => { console.log(error.code); process.exit(1); });
  };
  // Fewer at once than the queue of a listening socket holds.
  for (let i = 0; i < 200; i++) next();
  process.stdin.resume().on("end", () => process.exit());
`;

/** 10,000 is the bound of a replica; a machine that lends fewer descriptors is asked for what it has. */
function crowdSize(): number {
  const { userLimits } = process.report.getReport() as {
    userLimits: { open_files: { soft: number | "unlimited" } };
  };
  const { soft } = userLimits.open_files;
  const room = soft === "unlimited" ? Number.POSITIVE_INFINITY : soft - 500;
  return Math.min(DEFAULT_LIMITS.maxConnections - 10, room);
}

/** By how much the process may grow meanwhile for other reasons than the connections. */
const MEMORY_OF_OTHERS = 64 * 1024 * 1024;

test("ten thousand idle connections cost little, and whoever asks is answered", async () => {
  lane = await startTestIngress();
  const count = crowdSize();
  const before = process.memoryUsage().rss;
  const args = ["-e", CROWD, String(lane.ingress.httpPort), String(count)];
  const crowd = spawn(process.execPath, args, { stdio: ["pipe", "pipe", "inherit"] });
  try {
    const [said] = (await once(crowd.stdout, "data")) as [Buffer];
    expect(said.toString()).toBe("all\n");
    expect((await ask(lane)).status).toBe(200);
    const grown = process.memoryUsage().rss - before;
    expect(grown).toBeLessThan(MEMORY_OF_OTHERS + count * 32 * 1024);
  } finally {
    crowd.stdin.end();
    await once(crowd, "exit");
  }
});

test("connections over the bound are closed at once and counted; the room comes back", async () => {
  lane = await startTestIngress({ limits: { maxConnections: 3 } });
  await Promise.all([idle(), idle(), idle()]);
  const refused = await idle();
  await closed(refused);
  expect(await lane.metrics()).toMatch(/http_connections_refused_total\S* 1/);
  open[0]?.destroy();
  const status = async () => (await ask(lane).catch(() => undefined))?.status;
  await expect.poll(status).toBe(200);
});

test("nor does the gRPC port take more than the bound", async () => {
  lane = await startTestIngress({ limits: { maxConnections: 3 } });
  const { grpcPort } = lane.ingress;
  await Promise.all([idle("", grpcPort), idle("", grpcPort), idle("", grpcPort)]);
  await closed(await idle("", grpcPort));
  expect(await lane.metrics()).toMatch(/grpc_connections_refused_total\S* 1/);
});

test("who begins a request and sends no more of it is cut off, idle or not", async () => {
  const limits = { headersTimeoutMs: 50, requestTimeoutMs: 50, timeoutCheckMs: 20 };
  lane = await startTestIngress({ limits });
  const socket = await idle("POST /v1/responses HTTP/1.1\r\nhost: x\r\ncontent-le");
  let said = "";
  socket.on("data", (chunk: Buffer) => (said += chunk.toString()));
  await closed(socket);
  expect(said).toContain("408");
  expect(lane.runner.turns).toHaveLength(0);
});
