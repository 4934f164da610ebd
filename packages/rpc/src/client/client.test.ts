import { setTimeout as sleep } from "node:timers/promises";
import { expect, onTestFinished, test } from "vitest";
import type { CallContext } from "../call/call-context.ts";
import { storeUnavailable } from "../errors/constructors.ts";
import { LanekeeperError } from "../errors/lanekeeper-error.ts";
import { RpcError } from "../errors/rpc-error.ts";
import type { CallReport } from "../telemetry/hooks.ts";
import {
  aborted,
  collect,
  echoClient,
  type EchoClient,
  type EchoRoutes,
  failure,
  gate,
  startEcho,
} from "../testing/echo.ts";

/** A server whose `echo` makes a call to a second one with what `make` says. */
async function chain(
  backend: Partial<EchoRoutes>,
  make: (client: EchoClient, call: CallContext) => Promise<unknown>,
): Promise<EchoClient> {
  const below = await startEcho({ routes: backend });
  const client = echoClient(below.server.address, { defaults: { tenant: "default" } });
  const above = await startEcho({
    routes: {
      echo: async (_, call) => {
        await make(client, call);
        return {};
      },
    },
  });
  return echoClient(above.server.address);
}

test("a call within a call inherits for whom, and never outlives the incoming deadline", async () => {
  let seen: CallContext | undefined;
  const client = await chain(
    {
      shout: async (_, call) => {
        seen = call;
        return {};
      },
    },
    (below, call) => below.shout({}, { parent: call, timeoutMs: 60_000 }),
  );
  const options = { principal: "key-1", scopes: ["a"], requestId: "req-7", timeoutMs: 20_000 };
  await client.echo({}, options);
  expect(seen).toMatchObject({
    tenant: "acme",
    principal: "key-1",
    scopes: ["a"],
    requestId: "req-7",
  });
  expect(seen?.deadline?.getTime()).toBeLessThanOrEqual(Date.now() + 20_000);
});

test("when the outer caller cancels, the inner call is cancelled too", async () => {
  const started = gate();
  const ended = gate();
  const client = await chain(
    {
      shout: async (_, call) => {
        started.open();
        await aborted(call.signal);
        ended.open();
        return {};
      },
    },
    (below, call) => below.shout({}, { parent: call }),
  );
  const controller = new AbortController();
  const pending = failure(client.echo({}, { signal: controller.signal }));
  await started.opened;
  controller.abort();
  await ended.opened;
  expect(await pending).toMatchObject({ codeName: "CANCELLED" });
});

test("a trace passes through two services without an SDK", async () => {
  let seen: CallContext | undefined;
  const client = await chain(
    {
      shout: async (_, call) => {
        seen = call;
        return {};
      },
    },
    (below, call) => below.shout({}, { parent: call }),
  );
  const traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
  await client.echo({}, { traceparent, tracestate: "vendor=1" });
  expect(seen).toMatchObject({ traceparent, tracestate: "vendor=1" });
});

test("a call within a stored trace continues it; one that it is told goes before", async () => {
  const seen: unknown[] = [];
  const { server } = await startEcho({
    routes: {
      echo: async (_, { traceparent, tracestate, tenant }) => {
        seen.push([traceparent, tracestate, tenant]);
        return {};
      },
    },
  });
  const client = echoClient(server.address);
  const stored = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
  const told = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00";
  await client.echo({}, { tenant: "t", within: { traceparent: stored, tracestate: "vendor=1" } });
  await client.echo({}, { tenant: "t", within: { traceparent: stored }, traceparent: told });
  await client.echo({}, { tenant: "t", within: { traceparent: "" } });
  expect(seen).toEqual([
    [stored, "vendor=1", "t"],
    [told, undefined, "t"],
    [undefined, undefined, "t"],
  ]);
});

test("UNAVAILABLE is sent again with the same request, a refusal is not", async () => {
  const texts: string[] = [];
  const { server } = await startEcho({
    routes: {
      echo: async ({ text }) => {
        texts.push(text);
        if (texts.length < 3) throw storeUnavailable("the database is away");
        return { text };
      },
      shout: async ({ text }) => {
        texts.push(text);
        throw new LanekeeperError("QUEUE_FULL", "full");
      },
    },
  });
  const reports: CallReport[] = [];
  const hooks = { onCall: (report: CallReport) => reports.push(report) };
  const client = echoClient(server.address, { hooks });
  expect((await client.echo({ text: "same" })).text).toBe("same");
  expect(texts).toEqual(["same", "same", "same"]);
  expect(await failure(client.shout({ text: "once" }))).toMatchObject({ reason: "QUEUE_FULL" });
  expect(texts.slice(3)).toEqual(["once"]);
  expect(reports.map(({ method, code, reason }) => [method, code, reason])).toEqual([
    ["Echo", "OK", ""],
    ["Shout", "RESOURCE_EXHAUSTED", "QUEUE_FULL"],
  ]);
});

test("attempts end: the last failure is thrown, and retry: false makes one attempt", async () => {
  let calls = 0;
  const { server } = await startEcho({
    routes: {
      echo: async () => {
        calls += 1;
        throw storeUnavailable("the database is away");
      },
    },
  });
  const client = echoClient(server.address);
  expect(await failure(client.echo({}))).toMatchObject({ reason: "STORE_UNAVAILABLE" });
  expect(calls).toBe(4);
  await failure(client.echo({}, { retry: false }));
  expect(calls).toBe(5);
});

test("a stream is opened again while nothing has come, and not afterwards", async () => {
  let opened = 0;
  const { server } = await startEcho({
    routes: {
      async *count() {
        opened += 1;
        if (opened === 1) throw storeUnavailable("not yet");
        yield { index: 1 };
        throw storeUnavailable("again");
      },
    },
  });
  const stream = echoClient(server.address).count({});
  expect((await stream.next()).value?.index).toBe(1);
  expect(await failure(stream.next())).toMatchObject({ reason: "STORE_UNAVAILABLE" });
  expect(opened).toBe(2);
});

test("a deadline passes at the client too, and is no refusal", async () => {
  const { server } = await startEcho({
    routes: {
      echo: async (_, call) => {
        await aborted(call.signal);
        return {};
      },
    },
  });
  const error = await failure(echoClient(server.address).echo({}, { timeoutMs: 50 }));
  expect(error).toBeInstanceOf(RpcError);
  expect(error).not.toBeInstanceOf(LanekeeperError);
  expect(error).toMatchObject({ codeName: "DEADLINE_EXCEEDED" });
});

test("a deadline that no timer takes is far, not over at once", async () => {
  const { server } = await startEcho({
    routes: {
      async *count() {
        // A timer that has overflowed is set before this one, to 1 ms.
        await sleep(20);
        yield { index: 7 };
      },
    },
  });
  const stream = echoClient(server.address).count({}, { timeoutMs: 30 * 86_400_000 });
  expect(await collect(stream)).toMatchObject([{ index: 7 }]);
});

test("an answer over the client's bound is PAYLOAD_TOO_LARGE", async () => {
  const { server } = await startEcho({
    routes: { echo: async () => ({ text: "x".repeat(10_000) }) },
  });
  const client = echoClient(server.address, { limits: { maxResponseBytes: 1_000 } });
  expect(await failure(client.echo({}))).toMatchObject({ reason: "PAYLOAD_TOO_LARGE" });
});

test("a call of an aborted signal is not made", async () => {
  const { server, reports } = await startEcho();
  const signal = AbortSignal.abort();
  expect(await failure(echoClient(server.address).echo({}, { signal }))).toMatchObject({
    codeName: "CANCELLED",
  });
  expect(reports).toEqual([]);
});

test("fifty calls at once within one handler warn of no leak, and end together", async () => {
  const warnings: Error[] = [];
  const onWarning = (warning: Error) => {
    if (warning.name === "MaxListenersExceededWarning") warnings.push(warning);
  };
  process.on("warning", onWarning);
  onTestFinished(() => void process.off("warning", onWarning));
  const started = gate();
  let running = 0;
  let cancelled = 0;
  const client = await chain(
    {
      shout: async (_, call) => {
        running += 1;
        if (running === 50) started.open();
        await aborted(call.signal);
        cancelled += 1;
        return {};
      },
    },
    (below, call) =>
      Promise.all(Array.from({ length: 50 }, () => below.shout({}, { parent: call }))),
  );
  const controller = new AbortController();
  const pending = failure(client.echo({}, { signal: controller.signal }));
  await started.opened;
  controller.abort();
  await pending;
  await expect.poll(() => cancelled).toBe(50);
  expect(warnings).toEqual([]);
});
