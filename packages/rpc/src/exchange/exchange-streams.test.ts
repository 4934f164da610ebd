import { expect, test } from "vitest";
import { allowAll } from "../auth/allow.ts";
import { Code } from "../errors/code.ts";
import { draining } from "../errors/constructors.ts";
import { RpcError } from "../errors/rpc-error.ts";
import { aborted, echoRoutes, failure, gate, startEcho } from "../testing/echo.ts";
import { framingClient, startExchange, untilFramed } from "../testing/exchange-echo.ts";
import { EchoService } from "../testing/gen/lanekeeper/rpctest/v1/echo_service_pb.ts";
import { tcpProxy } from "../testing/tcp-proxy.ts";
import { exchangeHandler } from "./exchange-handler.ts";

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

test("who says that he is shutting down is asked no more for a while, where another answers", async () => {
  let isLeaving = false;
  let asked = 0;
  const routes = {
    shout: async () => {
      asked += 1;
      if (isLeaving) throw draining();
      return {};
    },
  };
  const leaving = await startExchange({ routes });
  const staying = await startExchange();
  const target = `${leaving.server.address},${staying.server.address}`;
  const client = framingClient(target, { exchange: { leavingMs: 60_000 } });
  await untilFramed(client, leaving, staying);
  isLeaving = true;
  for (let n = 0; n < 40; n += 1) await client.shout({});
  expect(asked).toBe(1);
});

test("who has said that he is shutting down, and serves again, is asked again", async () => {
  let isLeaving = true;
  const shout = async () => {
    if (isLeaving) throw draining();
    return {};
  };
  const only = await startExchange({ routes: { shout } });
  const client = framingClient(only.server.address);
  await untilFramed(client, only);
  expect(await failure(client.shout({}, { retry: false }))).toMatchObject({ reason: "DRAINING" });
  isLeaving = false;
  await untilFramed(client, only);
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

test("a call's time is over at the client too, where nothing comes back any more", async () => {
  const service = await startExchange();
  const proxy = await tcpProxy(service.server.port);
  const client = framingClient(proxy.address, { retry: { maxAttempts: 1 } });
  await untilFramed(client, service);
  proxy.blackhole();
  expect(await failure(client.echo({}, { timeoutMs: 50 }))).toMatchObject({
    codeName: "DEADLINE_EXCEEDED",
  });
});
