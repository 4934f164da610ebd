import { createServer as createHttp2Server, connect as connectHttp2 } from "node:http2";
import { gzipSync } from "node:zlib";
import { createClient, ConnectError, type Transport } from "@connectrpc/connect";
import { createConnectTransport, createGrpcWebTransport } from "@connectrpc/connect-node";
import { ErrorInfoSchema } from "@lanekeeper/protocol/google/rpc/error_details";
import { expect, test } from "vitest";
import { later, unauthenticated } from "../errors/constructors.ts";
import { LanekeeperError } from "../errors/lanekeeper-error.ts";
import { errorDetail } from "../errors/rpc-error.ts";
import { postJson, startConnectEcho } from "../testing/connect-echo.ts";
import { aborted, collect, echoClient, failure, gate, startEcho } from "../testing/echo.ts";
import { EchoService, HintSchema } from "../testing/gen/lanekeeper/rpctest/v1/echo_service_pb.ts";
import { closableServer } from "./close-http-server.ts";
import { proxyRoutes } from "./proxy-routes.ts";

const auth = { authorization: "Bearer sk-1" };

function transports(baseUrl: string): [string, Transport][] {
  return [
    ["connect", createConnectTransport({ baseUrl, httpVersion: "1.1" })],
    [
      "connect, binary",
      createConnectTransport({ baseUrl, httpVersion: "1.1", useBinaryFormat: true }),
    ],
    ["gRPC-Web", createGrpcWebTransport({ baseUrl, httpVersion: "1.1" })],
  ];
}

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

interface ErrorBody {
  readonly code: string;
  readonly details: readonly { readonly type: string; readonly debug: Record<string, unknown> }[];
}

test.each([
  ["an unknown field", { txt: "a" }, "txt"],
  ["an unknown enum name", { mood: "MOOD_LOUDD" }, "mood"],
  ["an unknown enum number", { mood: 99 }, "mood"],
  ["a value of another type", { text: 5 }, "text"],
])("%s is refused, and the field is named", async (_, request, field) => {
  let ran = false;
  const { url } = await startConnectEcho({
    routes: {
      echo: async () => {
        ran = true;
        return {};
      },
    },
  });
  const { status, headers, body } = await postJson(url, "Echo", request);
  const { code, details } = body as ErrorBody;
  expect([status, code, ran]).toEqual([400, "invalid_argument", false]);
  expect(headers.get("x-request-id")).toMatch(/./);
  expect(headers.get("x-should-retry")).toBe("false");
  expect(details[0]).toMatchObject({
    type: "google.rpc.ErrorInfo",
    debug: { reason: "INVALID_REQUEST", domain: "lanekeeper", metadata: { field } },
  });
  expect(details[1]).toMatchObject({
    type: "google.rpc.BadRequest",
    debug: { fieldViolations: [{ field }] },
  });
});

test("a body that is no JSON is INVALID_REQUEST", async () => {
  const { url } = await startConnectEcho();
  const { status, body } = await postJson(url, "Echo", "{nope");
  expect(status).toBe(400);
  expect((body as ErrorBody).details[0]?.debug).toMatchObject({ reason: "INVALID_REQUEST" });
});

test("a stream's request is held to the same strictness", async () => {
  const { url } = await startConnectEcho();
  for (const [name, transport] of transports(url)) {
    const client = createClient(EchoService, transport);
    const error = await failure(client.echo({ mood: 99 as never }, { headers: auth }));
    const info = (error as ConnectError).findDetails(ErrorInfoSchema)[0];
    expect(info, name).toMatchObject({ reason: "INVALID_REQUEST", metadata: { field: "mood" } });
  }
});

test("refusals carry reason, typed detail and the headers about asking again", async () => {
  const { url } = await startConnectEcho({
    routes: {
      echo: async () => {
        throw later("SESSION_BUSY", "held", 1_200, {
          details: [errorDetail(HintSchema, { number: 7n })],
        });
      },
      async *count() {
        yield { index: 1 };
        throw new LanekeeperError("RESUME_TOKEN_EXPIRED", "too old");
      },
    },
  });
  const { status, headers } = await postJson(url, "Echo", {});
  expect(status).toBe(409);
  expect(headers.get("retry-after")).toBe("2");
  expect(headers.get("x-should-retry")).toBe("true");
  for (const [name, transport] of transports(url)) {
    const client = createClient(EchoService, transport);
    const busy = (await failure(client.echo({}, { headers: auth }))) as ConnectError;
    expect(busy.findDetails(ErrorInfoSchema)[0]?.reason, name).toBe("SESSION_BUSY");
    expect(busy.findDetails(HintSchema)[0]?.number, name).toBe(7n);
    const expired = await failure(collect(client.count({}, { headers: auth })));
    expect((expired as ConnectError).findDetails(ErrorInfoSchema)[0]?.reason, name).toBe(
      "RESUME_TOKEN_EXPIRED",
    );
  }
});

test("no key, no call; a bug shows only its id", async () => {
  const { url } = await startConnectEcho({
    routes: {
      echo: async () => {
        throw new Error("secret");
      },
    },
  });
  const refused = await postJson(url, "Echo", {}, { authorization: "Bearer sk-2" });
  expect(refused.status).toBe(401);
  const broken = await postJson(url, "Echo", {});
  expect(broken.status).toBe(500);
  expect(JSON.stringify(broken.body)).not.toContain("secret");
  expect((broken.body as ErrorBody).details[0]?.debug).toMatchObject({ reason: "INTERNAL" });
});

test("a large body and a gzip bomb are PAYLOAD_TOO_LARGE", async () => {
  const { url } = await startConnectEcho({ limits: { readMaxBytes: 10_000 } });
  const large = await postJson(url, "Echo", { text: "x".repeat(20_000) });
  expect((large.body as ErrorBody).details[0]?.debug).toMatchObject({
    reason: "PAYLOAD_TOO_LARGE",
  });
  const bomb = gzipSync(JSON.stringify({ text: "x".repeat(5_000_000) }));
  expect(bomb.length).toBeLessThan(10_000);
  const response = await fetch(`${url}/${EchoService.typeName}/Echo`, {
    method: "POST",
    headers: { ...auth, "content-type": "application/json", "content-encoding": "gzip" },
    body: bomb,
  });
  expect(((await response.json()) as ErrorBody).details[0]?.debug).toMatchObject({
    reason: "PAYLOAD_TOO_LARGE",
  });
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

test("a proxied call reaches the service for whom it was made, in its deadline and trace", async () => {
  const traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
  let seen: unknown;
  let deadline: Date | undefined;
  const { server } = await startEcho({
    routes: {
      echo: async (_, call) => {
        const { tenant, principal, scopes, requestId, traceparent: trace } = call;
        deadline = call.deadline;
        seen = { tenant, principal, scopes, requestId, traceparent: trace };
        return {};
      },
      shout: async () => {
        throw new LanekeeperError("GENERATION_MISMATCH", "not yours");
      },
    },
  });
  const below = echoClient(server.address, { defaults: { tenant: "default" } });
  const { url } = await startConnectEcho({ routes: proxyRoutes(EchoService, below) });
  await postJson(
    url,
    "Echo",
    {},
    { "x-request-id": "r", traceparent, "connect-timeout-ms": "20000" },
  );
  const who = { tenant: "acme", principal: "key-1", scopes: ["sessions:write"] };
  expect(seen).toEqual({ ...who, requestId: "r", traceparent });
  expect(deadline?.getTime()).toBeLessThanOrEqual(Date.now() + 20_000);
  const refused = await postJson(url, "Shout", {});
  expect((refused.body as ErrorBody).details[0]?.debug).toMatchObject({
    reason: "GENERATION_MISMATCH",
  });
  const [, transport] = transports(url)[0] ?? [];
  if (transport === undefined) throw new Error("none");
  const client = createClient(EchoService, transport);
  expect(await collect(client.count({ count: 3 }, { headers: auth }))).toHaveLength(3);
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

test("closing an HTTP/2 server does not wait for a client that keeps its session", async () => {
  const server = createHttp2Server();
  const closer = closableServer(server);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("not a TCP server");
  const session = connectHttp2(`http://127.0.0.1:${address.port}`);
  await new Promise((resolve) => session.once("remoteSettings", resolve));
  await closer.close(60_000);
  session.destroy();
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
