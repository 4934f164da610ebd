// Unary calls against frames of the Exchange, 64 in flight, server and client in processes of their
// own on one machine. `node --import tsx packages/rpc/src/testing/bench-exchange.ts`
import { type ChildProcess, fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import {
  allowAll,
  createGrpcClient,
  exchangeHandler,
  type Routes,
  serveGrpc,
  service,
  serviceCredential,
  serviceTokenAuthenticator,
} from "../index.ts";
import { EchoService } from "./gen/lanekeeper/rpctest/v1/echo_service_pb.ts";

const SECRET = "bench-secret-bench-secret-bench-secret";
const IN_FLIGHT = 64;
const WARM_UP_CALLS = 5_000;
const CALLS = 40_000;

async function serve(): Promise<void> {
  const allow = allowAll(EchoService, "runner");
  const unary = {
    echo: async () => ({}),
    shout: async () => ({}),
    async *count() {},
    async *chat() {},
  };
  const routes: Routes<typeof EchoService> = {
    ...unary,
    exchange: exchangeHandler({ desc: EchoService, routes: unary, allow }),
  };
  const server = await serveGrpc({
    host: "127.0.0.1",
    port: 0,
    authenticator: serviceTokenAuthenticator(SECRET),
    services: [service({ desc: EchoService, routes, allow, tenantless: ["exchange"] })],
  });
  process.send?.(server.address);
  process.once("disconnect", () => void server.drain({ timeoutMs: 0 }));
}

/** Calls per second with IN_FLIGHT of them always on the way. */
async function measure(address: string, framed: boolean): Promise<number> {
  const client = createGrpcClient(EchoService, {
    target: address,
    credential: serviceCredential("runner", SECRET),
    defaults: { tenant: "acme" },
    exchange: framed ? { warmUpCalls: 0 } : false,
  });
  const run = async (calls: number): Promise<void> => {
    let left = calls;
    const worker = async (): Promise<void> => {
      while (left-- > 0) await client.echo({});
    };
    await Promise.all(Array.from({ length: IN_FLIGHT }, worker));
  };
  await run(WARM_UP_CALLS);
  const startedMs = performance.now();
  await run(CALLS);
  const seconds = (performance.now() - startedMs) / 1_000;
  client.$close();
  return CALLS / seconds;
}

async function main(): Promise<void> {
  const child: ChildProcess = fork(fileURLToPath(import.meta.url), ["--server"]);
  const address = await new Promise<string>((resolve) => child.once("message", resolve as never));
  for (let round = 1; round <= 3; round += 1) {
    const unary = await measure(address, false);
    const framed = await measure(address, true);
    const ratio = (framed / unary).toFixed(1);
    console.log(`unary ${unary.toFixed(0)}/s, frames ${framed.toFixed(0)}/s, ratio ${ratio}`);
  }
  child.disconnect();
}

await (process.argv.includes("--server") ? serve() : main());
