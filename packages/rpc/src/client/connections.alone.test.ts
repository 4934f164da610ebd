import { expect, test } from "vitest";
import { aborted, collect, echoClient, failure, gate, startEcho } from "../testing/echo.ts";
import { tcpProxy } from "../testing/tcp-proxy.ts";

test("nobody there: UNAVAILABLE within the attempts", async () => {
  const { server } = await startEcho();
  await server.drain();
  const client = echoClient(server.address, { retry: { maxAttempts: 2 } });
  expect(await failure(client.echo({}))).toMatchObject({ codeName: "UNAVAILABLE" });
});

test("a list of targets is called in turn, and a dead one does not matter", async () => {
  const servers = await Promise.all([startEcho(), startEcho(), startEcho()]);
  const [one, two, dead] = servers.map(({ server }) => server);
  if (one === undefined || two === undefined || dead === undefined) throw new Error("three");
  await dead.drain();
  const client = echoClient([one, two, dead].map(({ address }) => address).join(","));
  await expect
    .poll(async () => {
      await client.echo({});
      return servers.slice(0, 2).every(({ reports }) => reports.length > 2);
    })
    .toBe(true);
});

test("http_proxy in the environment does not catch loopback", async () => {
  const { server } = await startEcho();
  const before = { ...process.env };
  process.env["http_proxy"] = process.env["grpc_proxy"] = "http://127.0.0.1:9";
  try {
    const client = echoClient(server.address);
    expect((await client.echo({ text: "direct" })).text).toBe("direct");
  } finally {
    process.env = before;
  }
});

test("a peer that falls silent is noticed by keepalive, and the next call finds another way", async () => {
  const started = gate();
  const { server } = await startEcho({
    routes: {
      shout: async (_, call) => {
        started.open();
        await aborted(call.signal);
        return {};
      },
    },
  });
  const proxy = await tcpProxy(server.port);
  const client = echoClient(proxy.address, {
    limits: { keepaliveTimeMs: 100, keepaliveTimeoutMs: 100 },
    retry: { maxAttempts: 1 },
  });
  const pending = failure(client.shout({}, { timeoutMs: 60_000 }));
  await started.opened;
  proxy.blackhole();
  expect(await pending).toMatchObject({ codeName: "UNAVAILABLE" });
});

test("a connection that is cut ends a stream as UNAVAILABLE, after what had arrived", async () => {
  const { server } = await startEcho({
    routes: {
      async *count(_, call) {
        yield { index: 1 };
        await aborted(call.signal);
      },
    },
  });
  const proxy = await tcpProxy(server.port);
  const stream = echoClient(proxy.address).count({});
  await stream.next();
  proxy.cut();
  expect(await failure(collect(stream))).toMatchObject({ codeName: "UNAVAILABLE" });
});

test("a connection grows old, and clients move to a new one without noticing", async () => {
  const { server } = await startEcho({
    limits: { maxConnectionAgeMs: 50, maxConnectionAgeGraceMs: 50 },
  });
  const proxy = await tcpProxy(server.port);
  const client = echoClient(proxy.address);
  await expect
    .poll(async () => {
      expect((await client.echo({ text: "x" })).text).toBe("x");
      return proxy.connections();
    })
    .toBeGreaterThan(2);
});
