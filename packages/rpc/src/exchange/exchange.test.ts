import { expect, test } from "vitest";
import { allowAll } from "../auth/allow.ts";
import type { CallContext } from "../call/call-context.ts";
import { storeUnavailable } from "../errors/constructors.ts";
import { LanekeeperError } from "../errors/lanekeeper-error.ts";
import { errorDetail } from "../errors/rpc-error.ts";
import { aborted, echoRoutes, failure, gate } from "../testing/echo.ts";
import { framingClient, startExchange, untilFramed } from "../testing/exchange-echo.ts";
import { EchoService, HintSchema } from "../testing/gen/lanekeeper/rpctest/v1/echo_service_pb.ts";
import { tcpProxy } from "../testing/tcp-proxy.ts";
import { exchangeHandler } from "./exchange-handler.ts";

test("frames carry for whom, request id, trace and deadline as a call of its own does", async () => {
  let seen: CallContext | undefined;
  const service = await startExchange({
    routes: {
      shout: async ({ text }, call) => {
        seen = call;
        return { text };
      },
    },
  });
  const client = framingClient(service.server.address);
  await untilFramed(client, service);
  const traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
  const who = { tenant: "Söhne", principal: "p,1", scopes: ["a,b", "c"], agents: ["main"] };
  const options = { ...who, keyPrefixes: ["x:%"], requestId: "req-9", traceparent };
  expect((await client.shout({ text: "hi" }, { ...options, timeoutMs: 20_000 })).text).toBe("hi");
  expect(seen).toMatchObject({ ...options, peer: { kind: "service", service: "runner" } });
  expect(seen?.deadline?.getTime()).toBeLessThanOrEqual(Date.now() + 20_000);
  expect(service.reports).toMatchObject([{ method: "Shout", transport: "exchange", code: "OK" }]);
});

test("many calls are on the way at once, and each gets its own answer", async () => {
  const release = gate();
  let running = 0;
  const service = await startExchange({
    routes: {
      shout: async ({ text }) => {
        running += 1;
        if (running === 100) release.open();
        await release.opened;
        return { text: text.toUpperCase() };
      },
    },
  });
  const client = framingClient(service.server.address);
  await untilFramed(client, service);
  const texts = Array.from({ length: 100 }, (_, n) => `t${n}`);
  const answers = await Promise.all(texts.map((text) => client.shout({ text })));
  expect(answers.map(({ text }) => text)).toEqual(texts.map((text) => text.toUpperCase()));
  expect(service.reports.every(({ transport }) => transport === "exchange")).toBe(true);
});

test("a request too large for a frame goes as a call of its own, and is refused alone", async () => {
  const held = gate();
  const service = await startExchange({
    routes: {
      shout: async ({ text }) => {
        if (text === "held") await held.opened;
        return { text: String(text.length) };
      },
    },
  });
  const client = framingClient(service.server.address);
  await untilFramed(client, service);
  const waiting = client.shout({ text: "held" });
  expect((await client.shout({ text: "x".repeat(70_000) })).text).toBe("70000");
  const tooLarge = failure(client.shout({ text: "x".repeat(4 * 1024 * 1024 + 1) }));
  expect(await tooLarge).toMatchObject({ reason: "PAYLOAD_TOO_LARGE" });
  held.open();
  expect((await waiting).text).toBe("4");
  const by = () => service.reports.map(({ transport, code }) => `${transport} ${code}`).sort();
  await expect.poll(by).toEqual(["exchange OK", "grpc INVALID_ARGUMENT", "grpc OK"]);
});

test("a refused frame carries reason and typed detail, and fails nobody else", async () => {
  const service = await startExchange({
    routes: {
      shout: async ({ text }) => {
        if (text === "bug") throw new Error("internals");
        if (text === "bad answer") return { volume: 1.5 };
        const details = [errorDetail(HintSchema, { number: 3n })];
        throw new LanekeeperError("TAKEN_OVER", "another run", { details });
      },
    },
  });
  const client = framingClient(service.server.address);
  await untilFramed(client, service);
  const [stale, bug, bad, fine] = await Promise.all([
    failure(client.shout({})),
    failure(client.shout({ text: "bug" })),
    failure(client.shout({ text: "bad answer" })),
    client.echo({ text: "fine" }),
  ]);
  expect(stale).toMatchObject({ reason: "TAKEN_OVER" });
  expect((stale as LanekeeperError).detail(HintSchema)?.number).toBe(3n);
  expect(bug).toMatchObject({ reason: "INTERNAL" });
  expect(String(bug)).not.toContain("internals");
  expect(bad).toMatchObject({ reason: "INTERNAL" });
  expect(fine.text).toBe("fine");
});

test("each frame is authorized and needs a tenant by itself", async () => {
  const service = await startExchange({ shoutAllow: ["ingress"] });
  const client = framingClient(service.server.address);
  await untilFramed(client, service);
  expect(await failure(client.shout({}))).toMatchObject({ reason: "PERMISSION_DENIED" });
  expect(await failure(client.echo({}, { tenant: "" }))).toMatchObject({
    reason: "INVALID_REQUEST",
    fieldViolations: [{ field: "lanekeeper-tenant" }],
  });
  expect(service.reports.map(({ transport }) => transport)).toEqual(["exchange", "exchange"]);
});

test("a frame's caller that cancels, or whose time is over, stops the handler", async () => {
  const reasons: unknown[] = [];
  const service = await startExchange({
    routes: {
      shout: async (_, call) => {
        started.open();
        reasons.push(await aborted(call.signal));
        return {};
      },
    },
  });
  let started = gate();
  const client = framingClient(service.server.address, { retry: { maxAttempts: 1 } });
  await untilFramed(client, service);
  const controller = new AbortController();
  const pending = failure(client.shout({}, { signal: controller.signal }));
  await started.opened;
  controller.abort();
  expect(await pending).toMatchObject({ codeName: "CANCELLED" });
  await expect.poll(() => reasons).toMatchObject([{ codeName: "CANCELLED" }]);

  started = gate();
  const late = await failure(client.shout({}, { timeoutMs: 30 }));
  expect(late).toMatchObject({ name: "RpcError", codeName: "DEADLINE_EXCEEDED" });
  await expect.poll(() => reasons.length).toBe(2);
  expect(service.reports.map(({ code }) => code)[0]).toBe("CANCELLED");
});

test("a broken stream fails what is on the way as UNAVAILABLE, which is sent again", async () => {
  const texts: string[] = [];
  const first = gate();
  const service = await startExchange({
    routes: {
      shout: async ({ text }, call) => {
        texts.push(text);
        if (texts.length > 1) return { text: "second attempt" };
        first.open();
        await aborted(call.signal);
        return {};
      },
    },
  });
  const proxy = await tcpProxy(service.server.port);
  const client = framingClient(proxy.address);
  await untilFramed(client, service);
  const pending = client.shout({ text: "same" });
  await first.opened;
  proxy.cut();
  expect((await pending).text).toBe("second attempt");
  expect(texts).toEqual(["same", "same"]);
  await untilFramed(client, service);
});

test("UNAVAILABLE in a frame is sent again too", async () => {
  let calls = 0;
  const service = await startExchange({
    routes: {
      shout: async () => {
        calls += 1;
        if (calls < 3) throw storeUnavailable("the database is away");
        return { text: "back" };
      },
    },
  });
  const client = framingClient(service.server.address);
  await untilFramed(client, service);
  expect((await client.shout({})).text).toBe("back");
});

test("with as many frames unanswered as may be, no further one is read", async () => {
  const release = gate();
  let running = 0;
  const service = await startExchange({
    limits: { maxInFlightFrames: 10 },
    routes: {
      shout: async ({ text }) => {
        running += 1;
        await release.opened;
        return { text };
      },
    },
  });
  const client = framingClient(service.server.address);
  await untilFramed(client, service);
  const pending = Array.from({ length: 40 }, (_, n) => client.shout({ text: String(n) }));
  await expect.poll(() => running).toBe(10);
  release.open();
  expect((await Promise.all(pending)).map(({ text }) => Number(text))).toEqual([
    ...Array(40).keys(),
  ]);
});

test("an Exchange with a case that no handler serves does not start", () => {
  const { shout: _, ...routes } = echoRoutes;
  const allow = allowAll(EchoService, "runner");
  expect(() => exchangeHandler({ desc: EchoService, routes, allow })).toThrow(/shout/);
});
