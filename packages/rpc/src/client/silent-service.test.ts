import { ErrorInfoSchema } from "@lanekeeper/protocol/google/rpc/error_details";
import { expect, test } from "vitest";
import { Code } from "../errors/code.ts";
import { draining, storeUnavailable } from "../errors/constructors.ts";
import { LanekeeperError } from "../errors/lanekeeper-error.ts";
import { RpcError } from "../errors/rpc-error.ts";
import { silentService } from "../errors/silent-service.ts";
import { aborted, echoClient, type EchoRoutes, failure, startEcho } from "../testing/echo.ts";

const ONCE = { retry: { maxAttempts: 1 }, exchange: false } as const;

/** What the caller of `runner` is thrown, which asks session-identity at `target`. */
async function throughRunner(target: string, timeoutMs = 5_000): Promise<RpcError> {
  const below = echoClient(target, { ...ONCE, service: "session-identity" });
  const { server } = await startEcho({
    routes: {
      echo: async (_, call) => below.echo({}, { parent: call, timeoutMs }),
      async *count(_, call) {
        yield* below.count({}, { parent: call });
      },
    },
  });
  const client = echoClient(server.address, { ...ONCE, service: "runner" });
  const unary = (await failure(client.echo({}))) as RpcError;
  if (unary.code !== Code.UNAVAILABLE) return unary;
  const streamed = (await failure(client.count({}).next())) as RpcError;
  expect([streamed.code, streamed.message]).toEqual([unary.code, unary.message]);
  expect(silentService(streamed)).toBe(silentService(unary));
  return unary;
}

async function answering(routes: Partial<EchoRoutes>): Promise<string> {
  return (await startEcho({ routes })).server.address;
}

async function nobodyThere(): Promise<string> {
  const { server } = await startEcho();
  await server.drain({ timeoutMs: 0 });
  return server.address;
}

function refusing(error: LanekeeperError): Promise<string> {
  return answering({
    echo: async () => {
      throw error;
    },
    // oxlint-disable-next-line require-yield
    async *count() {
      throw error;
    },
  });
}

test("a service that cannot be reached is named two services further up, and its address is not", async () => {
  const target = await nobodyThere();
  const error = await throughRunner(target);
  expect(error).toMatchObject({
    reason: "STORE_UNAVAILABLE",
    message: "session-identity cannot be reached",
    metadata: { service: "session-identity" },
  });
  expect(JSON.stringify([error.message, error.detail(ErrorInfoSchema)])).not.toContain("127.0.0.1");
});

test("a service that does not answer in time is named, under the code that says so", async () => {
  const target = await answering({
    echo: async (_, call) => {
      await aborted(call.signal);
      return {};
    },
  });
  const error = await throughRunner(target, 100);
  expect(error.code).toBe(Code.DEADLINE_EXCEEDED);
  expect(silentService(error)).toBe("session-identity");
  expect(error.message).toBe("session-identity did not answer in time");
});

test.each([
  ["its database is away", storeUnavailable("the database cannot be reached")],
  ["it drains", draining()],
])("a service that says that %s is the one that is named", async (_, said) => {
  expect(await throughRunner(await refusing(said))).toMatchObject({
    reason: said.reason,
    message: `session-identity: ${said.message}`,
    metadata: { service: "session-identity" },
  });
});

test("who was asked last is named where it says no other", async () => {
  const client = echoClient(await nobodyThere(), { ...ONCE, service: "delivery" });
  const error = await failure(client.echo({}));
  expect(silentService(error)).toBe("delivery");
  expect(storeUnavailable("no answer", error, "runner").metadata).toEqual({ service: "delivery" });
  expect(storeUnavailable("no answer", new Error("x"), "runner").metadata).toEqual({
    service: "runner",
  });
});

test("a refusal, the caller's own end and our own database name nobody", async () => {
  const client = echoClient(await refusing(new LanekeeperError("QUEUE_FULL", "full")), {
    ...ONCE,
    service: "runner",
  });
  const refused = await failure(client.echo({}));
  expect(refused).toMatchObject({ reason: "QUEUE_FULL", message: "full", metadata: {} });
  const leaving = AbortSignal.abort(new RpcError(Code.DEADLINE_EXCEEDED, "our own time is over"));
  const left = await failure(client.echo({}, { signal: leaving }));
  expect(left).toBe(leaving.reason);
  expect([refused, left, storeUnavailable("ours")].map(silentService)).toEqual([
    undefined,
    undefined,
    undefined,
  ]);
});
