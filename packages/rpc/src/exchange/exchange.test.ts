import { expect, test } from "vitest";
import { allowAll } from "../auth/allow.ts";
import type { CallContext } from "../call/call-context.ts";
import { Code } from "../errors/code.ts";
import { storeUnavailable } from "../errors/constructors.ts";
import { LanekeeperError } from "../errors/lanekeeper-error.ts";
import { errorDetail, RpcError } from "../errors/rpc-error.ts";
import { aborted, echoRoutes, failure, gate, startEcho } from "../testing/echo.ts";
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
  expect((await client.shout({ text: "hi" }, { ...options, timeoutMs: 900 })).text).toBe("hi");
  expect(seen).toMatchObject({ ...options, peer: { kind: "service", service: "runner" } });
  expect(seen?.deadline?.getTime()).toBeLessThanOrEqual(Date.now() + 900);
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

test("a server without Exchange is called by unary calls", async () => {
  let tried = 0;
  const service = await startEcho({
    routes: {
      exchange: () => {
        tried += 1;
        throw new RpcError(Code.UNIMPLEMENTED, "not yet");
      },
    },
  });
  const client = framingClient(service.server.address);
  await expect
    .poll(async () => {
      expect((await client.echo({ text: "x" })).text).toBe("x");
      return tried;
    })
    .toBe(1);
  for (let n = 0; n < 20; n += 1) await client.echo({});
  expect(tried).toBe(1);
  expect(service.reports.filter(({ method }) => method === "Echo").length).toBeGreaterThan(20);
});

test("the first calls of a program open no stream", async () => {
  const service = await startExchange();
  const client = framingClient(service.server.address, { exchange: { warmUpCalls: 5 } });
  for (let n = 0; n < 5; n += 1) await client.echo({});
  expect(service.server.inFlight()).toBe(0);
  await untilFramed(client, service);
  expect(service.server.inFlight()).toBe(1);
});

test("an idle stream is closed, and opened again when it is needed", async () => {
  const service = await startExchange();
  const client = framingClient(service.server.address, { exchange: { idleMs: 300 } });
  await untilFramed(client, service);
  await expect.poll(() => service.server.inFlight()).toBe(0);
  await untilFramed(client, service);
});

test("an old stream is replaced without a failed call", async () => {
  let streams = 0;
  const exchange = exchangeHandler({
    desc: EchoService,
    routes: echoRoutes,
    allow: allowAll(EchoService, "runner"),
  });
  const service = await startExchange({
    routes: {
      exchange: (frames, call) => {
        streams += 1;
        return exchange(frames, call);
      },
    },
  });
  const options = { exchange: { maxAgeMs: 10 }, retry: { maxAttempts: 1 } };
  const client = framingClient(service.server.address, options);
  await expect
    .poll(async () => {
      expect((await client.echo({ text: "x" })).text).toBe("x");
      return streams;
    })
    .toBeGreaterThan(3);
  await expect.poll(() => service.server.inFlight()).toBeLessThanOrEqual(2);
});

test("a list of replicas gets a stream each, and load goes round", async () => {
  const services = await Promise.all([startExchange(), startExchange()]);
  const client = framingClient(services.map(({ server }) => server.address).join(","));
  await untilFramed(client, ...services);
  await Promise.all(Array.from({ length: 100 }, () => client.echo({})));
  for (const { reports } of services) expect(reports.length).toBeGreaterThan(40);
});

test("a draining server answers what it took, and the rest goes elsewhere", async () => {
  const release = gate();
  const started = gate();
  const leaving = await startExchange({
    routes: {
      shout: async () => {
        started.open();
        await release.opened;
        return { text: "from the leaving one" };
      },
    },
  });
  const client = framingClient(leaving.server.address);
  await untilFramed(client, leaving);
  const inFlight = client.shout({});
  await started.opened;
  const drained = leaving.server.drain();
  const refused = await failure(client.echo({}, { retry: false }));
  expect(refused).toMatchObject({ reason: "DRAINING" });
  release.open();
  expect((await inFlight).text).toBe("from the leaving one");
  expect(await drained).toEqual({ cutOff: 0 });

  const next = await startExchange({ port: leaving.server.port });
  await expect
    .poll(() => client.echo({ text: "x" }).catch(() => null))
    .toMatchObject({ text: "x" });
  await untilFramed(client, next);
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

test("a client that is closed fails what is on the way, and holds no stream", async () => {
  const started = gate();
  const service = await startExchange({
    routes: {
      shout: async (_, call) => {
        started.open();
        await aborted(call.signal);
        return {};
      },
    },
  });
  const client = framingClient(service.server.address, { retry: { maxAttempts: 1 } });
  await untilFramed(client, service);
  const pending = failure(client.shout({}));
  await started.opened;
  client.$close();
  expect(await pending).toBeInstanceOf(RpcError);
  await expect.poll(() => service.server.inFlight()).toBe(0);
});

test("an Exchange with a case that no handler serves does not start", () => {
  const { shout: _, ...routes } = echoRoutes;
  const allow = allowAll(EchoService, "runner");
  expect(() => exchangeHandler({ desc: EchoService, routes, allow })).toThrow(/shout/);
});
