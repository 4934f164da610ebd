import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";

import { createEdgeClients } from "@lanekeeper/client";
import { TurnClass } from "@lanekeeper/protocol/lanekeeper/identity/v1/lifecycle";
import { Role } from "@lanekeeper/protocol/lanekeeper/runner/v1/message";
import { eventually, gate, startConstellation, startModelServer } from "@lanekeeper/testing";
import { startWebhookSink } from "@lanekeeper/testing";
import { afterAll, beforeAll, expect, test } from "vitest";

import { openAi, say } from "../support/client.ts";
import { refused } from "../support/refused.ts";

const PROGRAM = join(import.meta.dirname, "../../packages/cli/bin/lanekeeper.js");
const TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736";
/** Loaded into each process before anything else; tells of what it finds on standard error. */
const WITNESS = join(import.meta.dirname, "../support/programs/promise-hooks.cjs");

let model: Awaited<ReturnType<typeof startModelServer>>;
let sink: Awaited<ReturnType<typeof startWebhookSink>>;
let lanekeeper: Awaited<ReturnType<typeof startConstellation>>;

beforeAll(async () => {
  model = await startModelServer({ text: "ok" });
  sink = await startWebhookSink();
  lanekeeper = await startConstellation({
    model,
    env: {
      LANEKEEPER_WEBHOOK_ALLOW_PRIVATE: "127.0.0.0/8",
      NODE_OPTIONS: `--require ${JSON.stringify(WITNESS)}`,
    },
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

test("whatever comes of a request tells its trace id, at every service and in other sessions", async () => {
  const traceId = "0af7651916cd43dd8448eb211c80319c";
  const keys = ["agent:main:trace:5", "agent:main:trace:6"] as const;
  const resolved = await lanekeeper.call("identity.v1.SessionIdentityService/ResolveSession", {
    rawKey: "trace:5",
  });
  const { ref } = resolved["session"] as { ref: { sessionId: string } };
  const registered = await lanekeeper.call("delivery.v1.DeliveryService/RegisterRoute", {
    sessionKey: keys[0],
    kind: "ROUTE_KIND_WEBHOOK",
    address: sink.url,
    source: "test",
  });
  const { routeId } = registered["route"] as { routeId: string };
  const asks = { session_key: "trace:6", message: "and you?" };
  model.next({ toolCalls: [{ id: "c1", name: "sessions_send", arguments: asks }] });
  const before = sink.posts.length;
  const edge = createEdgeClients(lanekeeper);
  const { turnId } = await edge.runner.submitTurn(
    {
      idempotencyKey: "event-2",
      fingerprint: Buffer.from("event-2"),
      target: {
        case: "session",
        value: { sessionKey: keys[0], sessionId: ref.sessionId, generation: 1n },
      },
      turnClass: TurnClass.PERSON,
      messages: [{ role: Role.USER, parts: [{ content: { case: "text", value: "ask" } }] }],
      routeId,
    },
    { traceparent: `00-${traceId}-b7ad6b7169203331-01`, requestId: "ticket-11" },
  );
  await sink.post(before);
  const line = async () => {
    const lines = await lanekeeper.logs("delivery");
    return lines.some(({ turn_id, msg }) => turn_id === turnId && msg === "delivered");
  };
  await eventually(line, { what: "delivery logs the reply" });

  const list = async (method: string, field: string, sessionKey: string) => {
    const told = await lanekeeper.call(method, { sessionKey });
    return (told[field] ?? []) as { turnId?: string; traceId?: string }[];
  };
  const of = async (method: string, field: string) =>
    (await Promise.all(keys.map((key) => list(method, field, key)))).flat();
  const turns = await of("runner.v1.RunnerService/ListTurns", "turns");
  const turnIds = turns.map(({ turnId: id }) => id);
  expect(turnIds).toHaveLength(2);
  expect(turnIds).toContain(turnId);
  const deliveries = await of("delivery.v1.DeliveryService/ListDeliveries", "deliveries");
  expect(deliveries).toHaveLength(1);
  const journal = (await of("identity.v1.SessionIdentityService/ListJournal", "entries")).filter(
    (entry) => turnIds.includes(entry.turnId),
  );
  // Both runs' beginning and end, and the reply's claim and settling.
  expect(journal.length).toBeGreaterThanOrEqual(6);
  const told = new Set([...turns, ...deliveries, ...journal].map((one) => one.traceId));
  expect(told).toEqual(new Set([traceId]));

  for (const service of ["session-identity", "runner", "delivery"] as const) {
    const lines = (await lanekeeper.logs(service)).filter(({ turn_id: id }) =>
      turnIds.includes(id as string),
    );
    expect(lines.length).toBeGreaterThan(0);
    expect(new Set(lines.map(({ trace_id: id }) => id))).toEqual(new Set([traceId]));
  }
  const asked = (await lanekeeper.logs("ingress")).filter(
    ({ request_id: id }) => id === "ticket-11",
  );
  expect(asked.map(({ trace_id: id }) => id)).toEqual([traceId]);
});

test("no process that exports nothing has hooks called for its promises", async () => {
  for (const service of ["ingress", "session-identity", "runner", "delivery"] as const) {
    const told = (await lanekeeper.logs(service)).flatMap(({ witness }) => witness ?? []);
    expect(told, service).toEqual(["promises are watched"]);
  }
});
