import { setTimeout as sleep } from "node:timers/promises";
import { createClient, ConnectError } from "@connectrpc/connect";
import { ErrorInfoSchema } from "@lanekeeper/protocol/google/rpc/error_details";
import { expect, test } from "vitest";
import { LONGEST_TIMEOUT_MS } from "../metadata/timeout.ts";
import { later, unauthenticated } from "../errors/constructors.ts";
import { postJson, startConnectEcho } from "../testing/connect-echo.ts";
import { aborted, collect, failure, gate } from "../testing/echo.ts";
import { EchoService } from "../testing/gen/lanekeeper/rpctest/v1/echo_service_pb.ts";
import { auth, type ErrorBody, transports } from "../testing/connect-transports.ts";

test("JSON is answered, for whom the key says, under the caller's request id", async () => {
  const { url, reports } = await startConnectEcho();
  const headers = { "x-request-id": "req-5" };
  const { status, headers: got, body } = await postJson(url, "Echo", { text: "hi" }, headers);
  expect(status).toBe(200);
  expect(body).toEqual({ text: "hi", tenant: "acme", principal: "key-1", requestId: "req-5" });
  expect(got.get("x-request-id")).toBe("req-5");
  expect(reports).toMatchObject([{ transport: "connect", method: "Echo", code: "OK" }]);
});

test("Connect, its binary form and gRPC-Web all work, unary and streaming", async () => {
  const { url } = await startConnectEcho();
  for (const [name, transport] of transports(url)) {
    const client = createClient(EchoService, transport);
    expect((await client.echo({ text: name }, { headers: auth })).text).toBe(name);
    const messages = await collect(client.count({ count: 3 }, { headers: auth }));
    expect(messages.map(({ index }) => index)).toEqual([0, 1, 2]);
  }
});

test("a client that hangs up aborts the handler, unary and streaming", async () => {
  for (const method of ["Echo", "Count"]) {
    const started = gate();
    const ended = gate();
    const wait = async (signal: AbortSignal) => {
      started.open();
      await aborted(signal);
      ended.open();
    };
    const { url } = await startConnectEcho({
      routes: {
        echo: async (_, call) => {
          await wait(call.signal);
          return {};
        },
        async *count(_, call) {
          await wait(call.signal);
          yield {};
        },
      },
    });
    const controller = new AbortController();
    const contentType = method === "Echo" ? "application/json" : "application/connect+json";
    const message = Buffer.from("\0\0\0\0\u0002{}");
    const pending = failure(
      fetch(`${url}/${EchoService.typeName}/${method}`, {
        method: "POST",
        headers: { ...auth, "content-type": contentType },
        body: method === "Echo" ? "{}" : message,
        signal: controller.signal,
      }),
    );
    await started.opened;
    controller.abort();
    await pending;
    await ended.opened;
  }
});

test("a timeout is the caller's, cut to the door's maximum", async () => {
  const { url } = await startConnectEcho({
    limits: { maxTimeoutMs: 50 },
    routes: { echo: () => new Promise(() => {}) },
  });
  const { body } = await postJson(url, "Echo", {}, { "connect-timeout-ms": "60000" });
  expect(body).toMatchObject({ code: "deadline_exceeded" });
});

test.each([
  ["Connect", "application/connect+json", { "connect-timeout-ms": "9999999999" }],
  ["gRPC-Web", "application/grpc-web+json", { "grpc-timeout": "99999999H" }],
  ["gRPC-Web, in seconds", "application/grpc-web+json", { "grpc-timeout": "2147484S" }],
])(
  "a timeout that no timer takes is long, not over at once: %s",
  async (_, contentType, timeout) => {
    let deadline: Date | undefined;
    const { url } = await startConnectEcho({
      routes: {
        async *count(_request, call) {
          // A timer that has overflowed is set before this one, to 1 ms.
          await sleep(20);
          deadline = call.deadline;
          yield { index: 7 };
        },
      },
    });
    const response = await fetch(`${url}/${EchoService.typeName}/Count`, {
      method: "POST",
      headers: { ...auth, "content-type": contentType, ...timeout },
      body: Buffer.from("\0\0\0\0\u0002{}"),
    });
    expect(await response.text()).toContain('{"index":7}');
    expect(deadline?.getTime()).toBeGreaterThan(Date.now() + LONGEST_TIMEOUT_MS - 60_000);
    expect(deadline?.getTime()).toBeLessThan(Date.now() + 2 ** 31 - 1);
  },
);

test("a drain ends streams as DRAINING, not as a clean end", async () => {
  const { url, handler } = await startConnectEcho({
    routes: {
      async *count(_, call) {
        yield { index: 1 };
        await aborted(call.signal);
      },
    },
  });
  const [, transport] = transports(url)[0] ?? [];
  if (transport === undefined) throw new Error("none");
  const stream = createClient(EchoService, transport).count({}, { headers: auth });
  const iterator = stream[Symbol.asyncIterator]();
  expect((await iterator.next()).value?.index).toBe(1);
  expect(await handler.drain()).toEqual({ cutOff: 0 });
  const error = (await failure(iterator.next())) as ConnectError;
  expect(error.findDetails(ErrorInfoSchema)[0]?.reason).toBe("DRAINING");
  const refused = await postJson(url, "Echo", {});
  expect((refused.body as ErrorBody).details[0]?.debug).toMatchObject({ reason: "DRAINING" });
});

test("a handler and its authorization find the HTTP answer of their own call", async () => {
  const { url } = await startConnectEcho({
    routes: {
      echo: async ({ text }, { httpAnswer }) => {
        httpAnswer?.setHeader("x-handled", text);
        return {};
      },
    },
    authorize: (_, headers, _told, answer) => {
      answer?.setHeader("x-let-in", headers.get("x-who") ?? "");
      return { tenant: "t", principal: "p", scopes: [], agents: [], keyPrefixes: [] };
    },
  });
  const answers = await Promise.all(
    ["a", "b"].map((text) => postJson(url, "Echo", { text }, { "x-who": text })),
  );
  const told = answers.map(({ headers }) => [headers.get("x-let-in"), headers.get("x-handled")]);
  expect(told).toEqual([
    ["a", "a"],
    ["b", "b"],
  ]);
});

test("a path that is no RPC, and a bidirectional one, are left to others", async () => {
  const { url } = await startConnectEcho();
  expect((await fetch(`${url}/v1/models`)).status).toBe(404);
  expect((await postJson(url, "Chat", "")).status).toBe(404);
});

test("what the guard of bodies refuses is refused in its words, by each protocol, and nothing is read", async () => {
  let read = 0;
  const { url, reports } = await startConnectEcho({
    bodies: {
      admit: async (headers) => {
        if (headers.get("authorization") !== auth.authorization)
          throw unauthenticated("no such key");
      },
      take: (bytes) => {
        if (bytes > 100) throw later("RATE_LIMITED", "no room", 1_000);
        read += bytes;
      },
      release: (bytes) => {
        read -= bytes;
      },
    },
  });
  for (const [name, transport] of transports(url)) {
    const client = createClient(EchoService, transport);
    const calls = [
      ...[client.echo({ text: name }), client.echo({ text: "x".repeat(200) }, { headers: auth })],
      collect(client.count({ count: 3 })),
    ];
    const reasons = calls.map(async (call) => {
      const error = ConnectError.from(await call.catch((thrown: unknown) => thrown));
      return error.findDetails(ErrorInfoSchema)[0]?.reason;
    });
    expect(await Promise.all(reasons)).toEqual([
      ...["UNAUTHENTICATED", "RATE_LIMITED", "UNAUTHENTICATED"],
    ]);
    expect((await client.echo({ text: name }, { headers: auth })).text).toBe(name);
  }
  expect(read).toBe(0);
  expect(reports.map(({ reason }) => reason).filter(Boolean)).toHaveLength(9);
});
