import { expect, test } from "vitest";
import { LanekeeperError } from "../errors/lanekeeper-error.ts";
import { errorDetail } from "../errors/rpc-error.ts";
import { aborted, echoClient, failure, gate, startEcho } from "../testing/echo.ts";
import { HintSchema } from "../testing/gen/lanekeeper/rpctest/v1/echo_service_pb.ts";

test("a call arrives with tenant, principal, scopes, prefixes and request id", async () => {
  let seen: unknown;
  const { server } = await startEcho({
    routes: {
      echo: async (request, call) => {
        const { tenant, principal, scopes, agents, keyPrefixes, requestId, peer } = call;
        seen = { tenant, principal, scopes, agents, keyPrefixes, requestId, peer };
        return { text: request.text };
      },
    },
  });
  const caller = {
    tenant: "Müller & Söhne",
    principal: "key/a,b%",
    scopes: ["sessions:write", "sessions:read"],
    agents: ["main"],
    keyPrefixes: ["slack:T1,", "ünïcode:"],
  };
  const client = echoClient(server.address);
  const answer = await client.echo({ text: "hi" }, { ...caller, requestId: "req-1" });
  expect(answer.text).toBe("hi");
  const peer = { kind: "service", service: "runner" };
  expect(seen).toEqual({ ...caller, requestId: "req-1", peer });
});

test("a refusal crosses the wire whole", async () => {
  const { server, reports } = await startEcho({
    routes: {
      echo: async () => {
        throw new LanekeeperError("STALE_GENERATION", "rotated away", {
          metadata: { generation: "4" },
          details: [errorDetail(HintSchema, { number: 4n })],
        });
      },
    },
  });
  const error = await failure(echoClient(server.address).echo({}));
  expect(error).toBeInstanceOf(LanekeeperError);
  const refusal = error as LanekeeperError;
  expect(refusal.reason).toBe("STALE_GENERATION");
  expect(refusal.metadata).toEqual({ generation: "4" });
  expect(refusal.detail(HintSchema)?.number).toBe(4n);
  expect(reports).toMatchObject([
    { method: "Echo", code: "FAILED_PRECONDITION", reason: "STALE_GENERATION", peer: "runner" },
  ]);
});

test("a bug in a handler is INTERNAL with an id that the log has too", async () => {
  const bug = new Error("select * from secrets");
  const { server, internal } = await startEcho({
    routes: {
      echo: async () => {
        throw bug;
      },
    },
  });
  const traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
  const asked = echoClient(server.address).echo({}, { traceparent });
  const error = (await failure(asked)) as LanekeeperError;
  expect(error.reason).toBe("INTERNAL");
  expect(error.message).not.toContain("secrets");
  expect(internal).toMatchObject([
    { errorId: error.metadata["error_id"], error: bug, tenant: "acme", traceparent },
  ]);
});

test("a call without a tenant is refused before its handler runs", async () => {
  const { server } = await startEcho();
  const client = echoClient(server.address, { defaults: { tenant: "" } });
  expect(await failure(client.echo({}))).toMatchObject({
    reason: "INVALID_REQUEST",
    fieldViolations: [{ field: "lanekeeper-tenant" }],
  });
});

test("a request over the bound is PAYLOAD_TOO_LARGE, however large", async () => {
  const { server } = await startEcho({ limits: { maxRequestBytes: 1_000 } });
  const client = echoClient(server.address);
  expect((await client.echo({ payload: new Uint8Array(900) })).text).toBe("");
  for (const size of [1_100, 3_000_000]) {
    expect(await failure(client.echo({ payload: new Uint8Array(size) }))).toMatchObject({
      reason: "PAYLOAD_TOO_LARGE",
    });
  }
});

test("a call without a deadline gets the server's, and its signal says so", async () => {
  const ended = gate();
  let reason: unknown;
  const { server } = await startEcho({
    limits: { defaultTimeoutMs: 50 },
    routes: {
      echo: async (_, call) => {
        reason = await aborted(call.signal);
        ended.open();
        return {};
      },
    },
  });
  const client = echoClient(server.address, {
    defaults: { timeoutMs: Number.POSITIVE_INFINITY },
    retry: { maxAttempts: 1 },
  });
  const error = await failure(client.echo({}));
  await ended.opened;
  expect(error).toMatchObject({ name: "RpcError", codeName: "DEADLINE_EXCEEDED" });
  expect(reason).toMatchObject({ codeName: "DEADLINE_EXCEEDED" });
});

test("a longer deadline is cut to the server's maximum", async () => {
  let deadline: Date | undefined;
  const { server } = await startEcho({
    limits: { maxTimeoutMs: 20_000 },
    routes: {
      echo: async (_, call) => {
        deadline = call.deadline;
        return {};
      },
    },
  });
  await echoClient(server.address).echo({}, { timeoutMs: 3_600_000 });
  expect(deadline?.getTime()).toBeLessThanOrEqual(Date.now() + 20_000);
});

test("a caller that cancels aborts the handler", async () => {
  const started = gate();
  const ended = gate();
  let reason: unknown;
  const { server, reports } = await startEcho({
    routes: {
      echo: async (_, call) => {
        started.open();
        reason = await aborted(call.signal);
        ended.open();
        return {};
      },
    },
  });
  const controller = new AbortController();
  const pending = failure(echoClient(server.address).echo({}, { signal: controller.signal }));
  await started.opened;
  controller.abort();
  expect(await pending).toMatchObject({ codeName: "CANCELLED" });
  await ended.opened;
  expect(reason).toMatchObject({ codeName: "CANCELLED" });
  expect(reports).toMatchObject([{ code: "CANCELLED" }]);
});

test("over the bound of calls at once the next is RATE_LIMITED", async () => {
  const release = gate();
  const started = gate();
  const { server } = await startEcho({
    limits: { maxInFlightCalls: 1 },
    routes: {
      echo: async () => {
        started.open();
        await release.opened;
        return {};
      },
    },
  });
  const client = echoClient(server.address);
  const first = client.echo({});
  await started.opened;
  expect(await failure(client.shout({}))).toMatchObject({
    ...{ reason: "RATE_LIMITED", metadata: { limit: "1" } },
  });
  release.open();
  await first;
  expect((await client.shout({ text: "a" })).text).toBe("A");
});
