import { credentials, makeClientConstructor } from "@grpc/grpc-js";
import { service as healthService } from "grpc-health-check";
import { expect, onTestFinished, test } from "vitest";
import { aborted, collect, echoClient, failure, gate, startEcho } from "../testing/echo.ts";
import { EchoService } from "../testing/gen/lanekeeper/rpctest/v1/echo_service_pb.ts";
import { PortBusyError } from "./listen.ts";

interface HealthClient {
  check(
    request: { service: string },
    done: (error: unknown, answer: { status: string }) => void,
  ): void;
  watch(request: { service: string }): NodeJS.EventEmitter;
  close(): void;
}

function healthClient(address: string): HealthClient {
  const Health = makeClientConstructor(healthService, "grpc.health.v1.Health");
  const client = new Health(address, credentials.createInsecure(), {
    "grpc.enable_http_proxy": 0,
  }) as unknown as HealthClient;
  onTestFinished(() => client.close());
  return client;
}

function check(client: HealthClient, service: string): Promise<string> {
  return new Promise((resolve, reject) => {
    client.check({ service }, (error, answer) => (error ? reject(error) : resolve(answer.status)));
  });
}

test("health answers for the server and for each service, to anybody", async () => {
  const { server } = await startEcho();
  const client = healthClient(server.address);
  expect(await check(client, "")).toBe("SERVING");
  expect(await check(client, EchoService.typeName)).toBe("SERVING");
  expect(await failure(check(client, "no.such.Service"))).toMatchObject({ code: 5 });
  server.setServing(false);
  expect(await check(client, "")).toBe("NOT_SERVING");
});

test("a drain says NOT_SERVING, refuses new calls, lets unary calls finish, ends streams", async () => {
  const release = gate();
  const started = gate();
  const { server } = await startEcho({
    routes: {
      echo: async () => {
        started.open();
        await release.opened;
        return { text: "done" };
      },
      async *count(_, call) {
        yield { index: 1 };
        await aborted(call.signal);
        throw call.signal.reason;
      },
    },
  });
  const statuses: string[] = [];
  const watching = healthClient(server.address).watch({ service: "" });
  watching.on("data", ({ status }: { status: string }) => statuses.push(status));
  watching.on("error", () => {});
  const client = echoClient(server.address, { retry: { maxAttempts: 1 } });
  const inFlight = client.echo({});
  const stream = client.count({});
  expect((await stream.next()).value?.index).toBe(1);
  await started.opened;
  await expect.poll(() => statuses).toEqual(["SERVING"]);

  const drained = server.drain();
  expect(await failure(stream.next())).toMatchObject({ reason: "DRAINING" });
  expect(await failure(client.shout({}))).toMatchObject({ reason: "DRAINING" });
  await expect.poll(() => statuses).toEqual(["SERVING", "NOT_SERVING"]);
  release.open();
  expect((await inFlight).text).toBe("done");
  expect(await drained).toEqual({ cutOff: 0 });
});

test("a drain cuts off what does not end in its time", async () => {
  const started = gate();
  const { server } = await startEcho({
    routes: {
      echo: async () => {
        started.open();
        return new Promise(() => {});
      },
    },
  });
  const client = echoClient(server.address, { retry: { maxAttempts: 1 } });
  const pending = failure(client.echo({}));
  await started.opened;
  expect(await server.drain({ timeoutMs: 20 })).toEqual({ cutOff: 1 });
  expect(await pending).toMatchObject({ reason: "DRAINING" });
});

test("a handler that was cut off returns before the drain ends, so that what it leans on can be closed", async () => {
  const started = gate();
  let hasReturned = false;
  let told: Promise<unknown> = Promise.resolve();
  const { server } = await startEcho({
    routes: {
      echo: async (_, call) => {
        started.open();
        await aborted(call.signal);
        // Its caller has heard of it long before.
        await told;
        for (let n = 0; n < 100; n += 1) await new Promise((resolve) => setImmediate(resolve));
        hasReturned = true;
        return {};
      },
    },
  });
  told = failure(echoClient(server.address, { retry: { maxAttempts: 1 } }).echo({}));
  await started.opened;
  await server.drain({ timeoutMs: 0 });
  expect(hasReturned).toBe(true);
});

test("a watching prober does not hold the shutdown up", async () => {
  const { server } = await startEcho();
  const watching = healthClient(server.address).watch({ service: "" });
  const seen = gate();
  const closed = gate();
  watching.on("data", () => seen.open());
  watching.on("error", () => {});
  watching.on("status", () => closed.open());
  await seen.opened;
  await server.drain({ timeoutMs: 5_000 });
  await closed.opened;
});

test("a busy port is told with the advice of who knows", async () => {
  const { server } = await startEcho();
  const error = await failure(
    startEcho({
      port: server.port,
      explainBusyPort: async (port) => `set LANEKEEPER_RUNNER_PORT to move it (${port})`,
    }),
  );
  expect(error).toBeInstanceOf(PortBusyError);
  expect(String(error)).toContain(
    `port ${server.port} on 127.0.0.1 is in use: set LANEKEEPER_RUNNER_PORT`,
  );
});

test("messages flow again through a server that comes back on the same port", async () => {
  const first = await startEcho();
  const client = echoClient(first.server.address, { waitForReady: true });
  expect(await collect(client.count({ count: 1 }))).toHaveLength(1);
  await first.server.drain();
  const pending = client.echo({ text: "again" });
  await startEcho({ port: first.server.port });
  expect((await pending).text).toBe("again");
});
