import { request } from "node:http";
import type { MessageInitShape } from "@bufbuild/protobuf";
import type { WatchSessionsResponseSchema } from "@lanekeeper/protocol/lanekeeper/delivery/v1/delivery_service";
import { type CallContext, invalid, LanekeeperError } from "@lanekeeper/rpc";
import { eventually, gate } from "@lanekeeper/testing";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { ask } from "../testing/ask.ts";
import { startTestIngress, type TestIngress } from "../testing/test-ingress.ts";

type Message = MessageInitShape<typeof WatchSessionsResponseSchema>;

let lane: TestIngress;
let ends: (() => void)[];

beforeEach(async () => {
  ends = [];
  const limits = { streamCredentialMs: 20, credentialFreshMs: 5, pingIntervalMs: 20 };
  lane = await startTestIngress({ limits, corsOrigins: ["https://app.example"] });
});
afterEach(async () => {
  for (const end of ends) end();
  await lane[Symbol.asyncDispose]();
});

const OPERATOR = "lk_operator_key_0123456789abcdef";
const state = (sessionKey: string, revision: bigint) => ({ ref: { sessionKey }, revision });
const snapshot = (key: string): Message => ({
  event: { event: { case: "snapshot", value: state(key, 1n) } },
});
const end = (resumeToken: string): Message => ({
  event: { event: { case: "snapshotEnd", value: {} }, resumeToken },
});
const changed = (key: string, revision: bigint, resumeToken: string): Message => ({
  event: { event: { case: "changed", value: state(key, revision) }, resumeToken },
});

/** Tells these and stays open until the call ends. */
async function* open(call: CallContext, ...messages: readonly Message[]): AsyncGenerator<Message> {
  yield* messages;
  await new Promise((resolve) => call.signal.addEventListener("abort", resolve));
}

/** A subscriber whose stream is looked at as it comes. */
function subscribe(path = "/lanekeeper/v1/events", headers: Record<string, string> = {}) {
  let text = "";
  let status = 0;
  let isOver = false;
  let answered: Readonly<Record<string, unknown>> = {};
  const authorization = `Bearer ${lane.apiKey}`;
  const req = request(`${lane.url}${path}`, { headers: { authorization, ...headers } });
  req.once("error", () => (isOver = true));
  req.once("response", (res) => {
    status = res.statusCode ?? 0;
    answered = res.headers;
    res.setEncoding("utf8").on("data", (part: string) => (text += part));
    res.once("close", () => (isOver = true));
  });
  req.end();
  ends.push(() => req.destroy());
  return {
    status: () => status,
    headers: () => answered,
    text: () => text,
    until: (part: string) => eventually(() => text.includes(part), { what: `${part} in ${text}` }),
    over: () => eventually(() => isOver),
    destroy: () => req.destroy(),
  };
}

test("events have names, data as over Connect, and an id where the stream can go on", async () => {
  lane.delivery.watch = (_, call) =>
    open(
      call,
      snapshot("agent:main:a"),
      end("t-1"),
      { lane: { event: { case: "snapshot", value: { sessionKey: "agent:main:a", depth: 2 } } } },
      { lane: { event: { case: "snapshotEnd", value: {} } } },
      changed("agent:main:a", 2n, "t-2"),
      {
        event: {
          event: {
            case: "merged",
            value: { sessionKey: "agent:main:b", survivorSessionKey: "agent:main:a", revision: 3n },
          },
          resumeToken: "t-3",
        },
      },
      { lane: { event: { case: "changed", value: { sessionKey: "agent:main:a" } } } },
      { event: { event: { case: "bookmark", value: {} }, resumeToken: "t-4" } },
    );
  const stream = subscribe();
  await stream.until("event: bookmark\nid: t-4\ndata: {}\n\n");
  expect(stream.status()).toBe(200);
  expect(stream.headers()).toMatchObject({
    "content-type": "text/event-stream; charset=utf-8",
    "cache-control": "no-cache, no-transform",
    "x-accel-buffering": "no",
  });
  const events = stream
    .text()
    .split("\n\n")
    .filter((block) => block.startsWith("event"));
  expect(events).toEqual([
    'event: session.snapshot\ndata: {"ref":{"sessionKey":"agent:main:a"},"revision":"1"}',
    "event: session.snapshot_end\nid: t-1\ndata: {}",
    'event: lane.snapshot\ndata: {"sessionKey":"agent:main:a","depth":2}',
    "event: lane.snapshot_end\ndata: {}",
    'event: session.changed\nid: t-2\ndata: {"ref":{"sessionKey":"agent:main:a"},"revision":"2"}',
    'event: session.merged\nid: t-3\ndata: {"sessionKey":"agent:main:b","survivorSessionKey":"agent:main:a","revision":"3"}',
    'event: lane.changed\ndata: {"sessionKey":"agent:main:a"}',
    "event: bookmark\nid: t-4\ndata: {}",
  ]);
  await eventually(() => stream.text().endsWith(": ping\n\n"));
});

test("the tenant, agents and prefixes are the credential's, whatever the caller says", async () => {
  const bounds = { agents: ["main"], keyPrefixes: ["agent:main:web:"] };
  lane.credentials.add(OPERATOR, { scopes: ["operator"], tenant: "acme", ...bounds });
  lane.delivery.watch = (_, call) => open(call, end("t-1"));
  const headers = {
    authorization: `Bearer ${OPERATOR}`,
    "lanekeeper-tenant": "victim",
    "last-event-id": "t-0",
  };
  const stream = subscribe(
    "/lanekeeper/v1/events?agent=main&prefix=agent:main:web:&lanes=0",
    headers,
  );
  await stream.until("t-1");
  const request = {
    agentId: "main",
    sessionKeyPrefix: "agent:main:web:",
    lanes: false,
    resumeToken: "t-0",
  };
  const call = { tenant: "acme", scopes: ["operator"], ...bounds };
  expect(lane.delivery.watches).toMatchObject([{ request, call }]);
});

describe("what is refused has the status of its reason", () => {
  const refused = async (path: string, headers: Record<string, string> = {}) => {
    const answer = await ask(lane, { method: "GET", path, headers });
    return [answer.status, (answer.json as { error: { code: string } }).error.code];
  };
  test.each(["?agnet=main", "?prefix=a&prefix=b", "?agent=No%20Agent", "?lanes=yes"])(
    "a query that cannot be meant: %s",
    async (query) => {
      expect(await refused(`/lanekeeper/v1/events${query}`)).toEqual([400, "INVALID_REQUEST"]);
      expect(lane.delivery.watches).toEqual([]);
    },
  );

  test("a token that is too old, with 410", async () => {
    lane.delivery.watch = async function* () {
      yield* [];
      throw new LanekeeperError("RESUME_TOKEN_EXPIRED", "too old");
    };
    const answer = await refused("/lanekeeper/v1/events", { "last-event-id": "t-0" });
    expect(answer).toEqual([410, "RESUME_TOKEN_EXPIRED"]);
  });

  test("a token that is none, by the header that it came in", async () => {
    lane.delivery.watch = async function* () {
      yield* [];
      throw invalid("resume_token", "is no token of this stream");
    };
    const headers = { "last-event-id": "17" };
    const { status, json } = await ask(lane, {
      method: "GET",
      path: "/lanekeeper/v1/events",
      headers,
    });
    const message = "last-event-id: is no token of this stream";
    expect([status, json]).toMatchObject([400, { error: { message, param: "last-event-id" } }]);
  });

  test("who has no scope for it, and who has no key", async () => {
    lane.credentials.add(OPERATOR, { scopes: ["chat"] });
    const chat = { authorization: `Bearer ${OPERATOR}` };
    expect(await refused("/lanekeeper/v1/events", chat)).toEqual([403, "PERMISSION_DENIED"]);
    const unknown = { authorization: "Bearer lk_unknown" };
    expect(await refused("/lanekeeper/v1/events", unknown)).toEqual([401, "UNAUTHENTICATED"]);
  });
});

test("a replica of delivery that goes away is not seen: the stream goes on from the last token", async () => {
  const cut = gate();
  lane.delivery.watch = async function* ({ resumeToken }, call) {
    if (resumeToken === "") {
      yield* [snapshot("agent:main:a"), end("t-1"), changed("agent:main:a", 2n, "t-2")];
      await cut.opened;
      throw new LanekeeperError("DRAINING", "bye");
    }
    yield* open(call, changed("agent:main:a", 3n, "t-3"));
  };
  const stream = subscribe();
  await stream.until("t-2");
  cut.open();
  await stream.until("t-3");
  expect(lane.delivery.watches.map(({ request }) => request.resumeToken)).toEqual(["", "t-2"]);
  expect(stream.text()).not.toContain("event: error");
});

test.each(["SLOW_CONSUMER", "RESUME_TOKEN_EXPIRED"] as const)(
  "%s within the stream is an event, and the end",
  async (reason) => {
    lane.delivery.watch = async function* () {
      yield end("t-1");
      throw new LanekeeperError(reason, "begin anew");
    };
    const stream = subscribe();
    await stream.over();
    expect(stream.text()).toContain(`event: error\ndata: {"error":`);
    expect(stream.text()).toContain(`"code":"${reason}"`);
  },
);

test("a credential that is revoked ends its streams", async () => {
  lane.credentials.add(OPERATOR, { scopes: ["operator"], principal: "p-9" });
  lane.delivery.watch = (_, call) => open(call, end("t-1"));
  const stream = subscribe("/lanekeeper/v1/events", { authorization: `Bearer ${OPERATOR}` });
  await stream.until("t-1");
  lane.credentials.remove("p-9");
  await stream.over();
  expect(stream.text()).toContain('"code":"UNAUTHENTICATED"');
});

test("a drain ends streams at once, with the word to go on elsewhere", async () => {
  lane.delivery.watch = (_, call) => open(call, end("t-1"));
  const stream = subscribe();
  await stream.until("t-1");
  await lane.ingress.drain(new AbortController().signal);
  await stream.over();
  expect(stream.text()).toContain('"code":"DRAINING"');
});

test("who leaves lets go of the stream behind", async () => {
  let left = false;
  lane.delivery.watch = async function* (_, call) {
    call.signal.addEventListener("abort", () => (left = true));
    yield* open(call, end("t-1"));
  };
  const stream = subscribe();
  await stream.until("t-1");
  stream.destroy();
  await eventually(() => left);
});

test("a page of a known origin may subscribe and go on", async () => {
  const { status, headers } = await ask(lane, {
    method: "OPTIONS",
    path: "/lanekeeper/v1/events",
    headers: {
      origin: "https://app.example",
      "access-control-request-method": "GET",
      "access-control-request-headers": "authorization,last-event-id",
    },
  });
  expect(status).toBe(204);
  expect(headers["access-control-allow-origin"]).toBe("https://app.example");
  expect(String(headers["access-control-allow-headers"]).toLowerCase()).toContain("last-event-id");
});
