import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";

import { eventually, gate, startConstellation, startModelServer } from "@lanekeeper/testing";
import { startWebhookSink } from "@lanekeeper/testing";
import { afterAll, beforeAll, expect, test } from "vitest";

import { openAi, say } from "../support/client.ts";
import { refused } from "../support/refused.ts";

const PROGRAM = join(import.meta.dirname, "../../packages/cli/bin/lanekeeper.js");
const TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736";

let model: Awaited<ReturnType<typeof startModelServer>>;
let sink: Awaited<ReturnType<typeof startWebhookSink>>;
let lanekeeper: Awaited<ReturnType<typeof startConstellation>>;

beforeAll(async () => {
  model = await startModelServer({ text: "ok" });
  sink = await startWebhookSink();
  lanekeeper = await startConstellation({
    model,
    env: { LANEKEEPER_WEBHOOK_ALLOW_PRIVATE: "127.0.0.0/8" },
  });
});
afterAll(async () => {
  await lanekeeper?.stop();
  await sink?.[Symbol.asyncDispose]();
  await model?.[Symbol.asyncDispose]();
});

async function trace(...args: string[]): Promise<string> {
  const env = {
    ...process.env,
    LANEKEEPER_URL: lanekeeper.baseUrl,
    LANEKEEPER_DATA_DIR: lanekeeper.dataDir,
  };
  const run = promisify(execFile)(process.execPath, [PROGRAM, "trace", ...args], { env });
  return (await run).stdout;
}

test("one trace id shows the request in the logs of all services, through the queue", async () => {
  const held = gate();
  const before = model.requests.length;
  model.next({ text: "first", gate: held });
  const a = say(openAi(lanekeeper), "trace:1", "one");
  await model.request(before);
  const b = say(openAi(lanekeeper), "trace:1", "two", {
    traceparent: `00-${TRACE_ID}-00f067aa0ba902b7-01`,
    "x-request-id": "support-ticket-7",
  });
  await eventually(async () => {
    const { lane } = await lanekeeper.call("runner.v1.RunnerService/GetLane", {
      sessionKey: "agent:main:trace:1",
    });
    return (lane as { depth?: number }).depth === 1;
  });
  held.open();
  await a;
  const { receipt } = await b;

  for (const service of ["ingress", "session-identity", "runner"] as const) {
    await eventually(
      async () => {
        const all = await lanekeeper.logs(service);
        const ours = all.filter(({ trace_id }) => trace_id === TRACE_ID);
        return ours.some(({ session_key }) => session_key === "agent:main:trace:1");
      },
      { what: `${service} logs the trace, and of what session` },
    );
  }
  const ended = await eventually(
    async () => {
      const lines = await lanekeeper.logs("runner");
      return lines.find(
        (line) => line["turn_id"] === receipt.turn_id && line["run_id"] === receipt.run_id,
      );
    },
    { what: "the runner logs the turn" },
  );
  expect(ended).toMatchObject({
    tenant: "default",
    principal: expect.any(String),
    session_key: "agent:main:trace:1",
    session_id: receipt.session_id,
    request_id: "support-ticket-7",
    trace_id: TRACE_ID,
  });
});

test("lanekeeper trace finds a request by its label, its turn and its trace, without a collector", async () => {
  const { receipt } = await say(openAi(lanekeeper), "trace:2", "hello", {
    "x-request-id": "ticket-8",
  });
  for (const id of ["ticket-8", receipt.turn_id]) {
    const told = await eventually(async () => {
      const text = await trace(id);
      return text.includes("ticket-8") ? text : undefined;
    });
    expect(told).toContain(receipt.turn_id);
    expect(told).toContain(receipt.session_id);
    expect(told).toContain("agent:main:trace:2");
    expect(told).toMatch(/completed/i);
  }
  const asJson: unknown = JSON.parse(await trace(receipt.turn_id, "--json"));
  expect(JSON.stringify(asJson)).toContain(receipt.run_id);
});

test("it tells why a request was refused, and what was refused as stale", async () => {
  const held = gate();
  const before = model.requests.length;
  model.next({ text: "late", gate: held });
  const a = refused(say(openAi(lanekeeper), "trace:3", "slow", { "x-request-id": "ticket-9" }));
  await model.request(before);
  await refused(
    say(openAi(lanekeeper), "trace:3", "me too", {
      "x-on-conflict": "reject",
      "x-request-id": "ticket-10",
    }),
  );
  await lanekeeper.call("identity.v1.SessionIdentityService/RotateSession", {
    requestId: "reset-trace-3",
    sessionKey: "agent:main:trace:3",
    reason: "ROTATION_REASON_RESET",
  });
  expect((await a).code).toBe("SUPERSEDED");
  held.open();
  const rejected = await eventually(async () => {
    const text = await trace("ticket-10");
    return text.includes("SESSION_BUSY") ? text : undefined;
  });
  expect(rejected).toMatch(/reject/i);
  const superseded = await eventually(async () => {
    const text = await trace("ticket-9");
    return text.includes("STALE_GENERATION") ? text : undefined;
  });
  expect(superseded).toMatch(/superseded/i);
});

test("it tells where the reply went", async () => {
  const resolved = await lanekeeper.call("identity.v1.SessionIdentityService/ResolveSession", {
    rawKey: "trace:4",
  });
  const session = (resolved["session"] as { ref: object }).ref;
  const registered = await lanekeeper.call("delivery.v1.DeliveryService/RegisterRoute", {
    sessionKey: "agent:main:trace:4",
    kind: "ROUTE_KIND_WEBHOOK",
    address: sink.url,
    source: "test",
  });
  const { routeId } = registered["route"] as { routeId: string };
  model.next({ text: "by webhook" });
  const submitted = await lanekeeper.call("runner.v1.RunnerService/SubmitTurn", {
    idempotencyKey: "event-1",
    fingerprint: Buffer.from("event-1").toString("base64"),
    session,
    turnClass: "TURN_CLASS_PERSON",
    messages: [{ role: "ROLE_USER", parts: [{ text: "send it to me" }] }],
    routeId,
  });
  const turnId = String(submitted["turnId"]);
  const post = await sink.post(0);
  expect(JSON.stringify(post.json)).toContain("by webhook");
  const told = await eventually(async () => {
    const text = await trace(turnId);
    return /sent/i.test(text) && text.includes(routeId) ? text : undefined;
  });
  expect(told).toContain(post.id);
});
