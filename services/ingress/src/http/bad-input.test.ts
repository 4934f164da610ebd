import { DeliveryService } from "@lanekeeper/protocol/lanekeeper/delivery/v1/delivery_service";
import { SessionIdentityService } from "@lanekeeper/protocol/lanekeeper/identity/v1/identity_service";
import { ApiKeyService } from "@lanekeeper/protocol/lanekeeper/ingress/v1/api_key_service";
import { IngressService } from "@lanekeeper/protocol/lanekeeper/ingress/v1/ingress_service";
import { RunnerService } from "@lanekeeper/protocol/lanekeeper/runner/v1/runner_service";
import { describe, expect, test } from "vitest";
import { permissionOf } from "../connect/permissions.ts";
import { type Ask, ask, HELLO } from "../testing/ask.ts";
import { postEvent } from "../testing/channels.ts";
import { nothingWritten } from "../testing/nothing-written.ts";

const MAX_BYTES = 50_000;
const lane = nothingWritten({ maxBodyBytes: MAX_BYTES, maxEventBytes: MAX_BYTES });

const response = (input: unknown) => ({ model: "lanekeeper", input });
const CREATE_SCHEDULE = "/lanekeeper.ingress.v1.IngressService/CreateSchedule";

type Sent = NonNullable<Ask["body"]>;
type Send = (body: Sent) => ReturnType<typeof ask>;

/** Each door that takes a body: how it is asked, and something for it that is a little too large. */
const BODIES: readonly (readonly [door: string, send: Send, large: object])[] = [
  [
    "chat completions",
    (body) => ask(lane(), { body }),
    { ...HELLO, messages: [{ role: "user", content: "x".repeat(MAX_BYTES) }] },
  ],
  [
    "responses",
    (body) => ask(lane(), { path: "/v1/responses", body }),
    response("x".repeat(MAX_BYTES)),
  ],
  [
    "a webhook",
    (body) => postEvent(lane(), Buffer.isBuffer(body) ? body.toString("latin1") : body),
    { session_key: "k", text: "x".repeat(MAX_BYTES) },
  ],
  [
    "an RPC",
    (body) => ask(lane(), { path: CREATE_SCHEDULE, body }),
    { spec: { message: "x".repeat(17 * 1024 * 1024) } },
  ],
];

describe.each(BODIES)("%s", (door, send, large) => {
  test.each<readonly [string, Sent]>([
    ["nothing", ""],
    ["no JSON", "{"],
    ["half a document", '{"model": "lanekeeper", "messages": ['],
    ["two documents", "{}{}"],
    ["a list", []],
    ["a text", '"Hi"'],
    ["null", "null"],
    ["lists in lists in lists", `${"[".repeat(5_000)}${"]".repeat(5_000)}`],
    ["objects in objects", `${'{"a":'.repeat(5_000)}1${"}".repeat(5_000)}`],
    ["an empty object", {}],
    ["a prototype", '{"__proto__": {"model": "lanekeeper"}}'],
  ])("%s is refused and told why", async (_what, body) => {
    const { status, text, headers } = await send(body);
    expect([status, text]).toEqual([400, expect.stringMatching(/"message":"[^"]{5}/)]);
    expect(headers).toMatchObject({ "x-lane-disposition": "rejected" });
  });

  test("more bytes than the bound are refused by its name", async () => {
    const { status, text } = await send(large);
    // Connect has no status of its own for it.
    expect(status).toBe(door === "an RPC" ? 400 : 413);
    expect(text).toMatch(/may have \d+ bytes/);
  });
});

// A webhook's signer signs text.
test.each(BODIES.filter(([door]) => door !== "a webhook"))(
  "%s: bytes that are no UTF-8 are refused",
  async (_door, send) => {
    const { status } = await send(Buffer.from('{"model": "caf\xe9"}', "latin1"));
    expect(status).toBe(400);
  },
);

const SERVICES = [SessionIdentityService, RunnerService, DeliveryService, IngressService];
const METHODS = [...SERVICES, ApiKeyService]
  .flatMap(({ methods }) => methods)
  .filter((method) => permissionOf(method).scopes.length > 0);

describe("each RPC that may be called from outside refuses what it does not know:", () => {
  test.each(METHODS.map((method) => [`${method.parent.typeName}/${method.name}`, method] as const))(
    "%s",
    async (name, { methodKind }) => {
      const isStream = methodKind !== "unary";
      const path = `/${name}`;
      const type = isStream ? "application/connect+json" : "application/json";
      for (const text of ["{", "[]", '{"noSuchField": 1}', "\0"]) {
        const body = isStream ? framed(text) : text;
        const answer = await ask(lane(), { path, headers: { "content-type": type }, body });
        expect([text, answer.status]).toEqual([text, isStream ? 200 : 400]);
        expect(answer.text).toMatch(/"code":"invalid_argument","message":"[^"]{5}/);
      }
      const plain = await ask(lane(), { path, headers: { "content-type": "text/plain" } });
      expect(plain.status).toBe(415);
    },
  );
});

/** https://connectrpc.com/docs/protocol#streaming-request */
function framed(text: string): Buffer {
  const body = Buffer.from(text);
  const head = Buffer.alloc(5);
  head.writeUInt32BE(body.length, 1);
  return Buffer.concat([head, body]);
}

describe("a field of the wrong type or name, where it matters, is named:", () => {
  const responses = (more: object): Ask => ({
    path: "/v1/responses",
    body: { ...response("x"), ...more },
  });
  const events = (query: string): Ask => ({
    method: "GET",
    path: `/lanekeeper/v1/events?${query}`,
  });

  test.each<readonly [field: string, ask: Ask]>([
    ["model", { body: { ...HELLO, model: 7 } }],
    ["messages", { body: { ...HELLO, messages: {} } }],
    ["messages[0].role", { body: { ...HELLO, messages: [{ role: "king", content: "x" }] } }],
    ["stream", { body: { ...HELLO, stream: "yes" } }],
    ["metadata.session_key", { body: { ...HELLO, metadata: { session_key: 7 } } }],
    ["input", responses({ input: 7 })],
    ["previous_response_id", responses({ previous_response_id: 7 })],
    ["conversation", responses({ conversation: 7 })],
    ["agent", events("agent=No%20One")],
    ["lanes", events("lanes=perhaps")],
    ["agents", events("agents=main")],
  ])("%s", async (param, asked) => {
    const { status, json } = await ask(lane(), asked);
    expect([status, json]).toMatchObject([400, { error: { param, code: "INVALID_REQUEST" } }]);
  });

  test.each([
    [{ session_key: 7, text: "x" }, "session_key"],
    [{ session_key: "k", text: ["x"] }, "text"],
    [{ session_key: "k", text: "x", sesion: "y" }, "sesion"],
    [{ text: "x" }, "session_key"],
    [{ session_key: "k", text: "x", files: [{ uri: 7 }] }, "files"],
  ])("of a webhook: %j", async (event, told) => {
    const { status, text } = await postEvent(lane(), event);
    expect([status, text]).toEqual([400, expect.stringContaining(told)]);
  });
});
