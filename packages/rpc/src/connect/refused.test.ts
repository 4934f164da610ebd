import { gzipSync } from "node:zlib";
import { createClient, ConnectError } from "@connectrpc/connect";
import { ErrorInfoSchema } from "@lanekeeper/protocol/google/rpc/error_details";
import { expect, test } from "vitest";
import { later } from "../errors/constructors.ts";
import { LanekeeperError } from "../errors/lanekeeper-error.ts";
import { errorDetail } from "../errors/rpc-error.ts";
import { postJson, startConnectEcho } from "../testing/connect-echo.ts";
import { collect, type EchoRoutes, failure } from "../testing/echo.ts";
import { EchoService, HintSchema } from "../testing/gen/lanekeeper/rpctest/v1/echo_service_pb.ts";
import { auth, type ErrorBody, transports } from "../testing/connect-transports.ts";

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

test("a packed body has the room of what it may become, until it is parsed", async () => {
  const max = 100_000;
  let held = 0;
  let whenHandled = -1;
  const bodies = {
    admit: async () => undefined,
    take: (bytes: number) => {
      if (held + bytes > max) throw later("RATE_LIMITED", "no room", 1_000);
      held += bytes;
    },
    release: (bytes: number) => void (held -= bytes),
  };
  const echo: EchoRoutes["echo"] = async ({ text }) => {
    whenHandled = held;
    return { text: String(text.length) };
  };
  const { url } = await startConnectEcho({ bodies, routes: { echo } });
  const post = (chars: number) =>
    fetch(`${url}/${EchoService.typeName}/Echo`, {
      method: "POST",
      headers: { ...auth, "content-type": "application/json", "content-encoding": "gzip" },
      body: gzipSync(JSON.stringify({ text: "x".repeat(chars) })),
    });
  const refused = await post(1_000_000);
  expect(refused.status).toBe(429);
  expect(((await refused.json()) as ErrorBody).details[0]?.debug).toMatchObject({
    reason: "RATE_LIMITED",
  });
  const taken = await post(1_000);
  expect(await taken.json()).toMatchObject({ text: "1000" });
  expect([whenHandled, held]).toEqual([0, 0]);
});
