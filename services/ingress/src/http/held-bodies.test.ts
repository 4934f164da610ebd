import { once } from "node:events";
import { type ClientRequest, type IncomingMessage, request } from "node:http";
import { afterEach, beforeEach, expect, test } from "vitest";
import { ask } from "../testing/ask.ts";
import { startTestIngress, type TestIngress } from "../testing/test-ingress.ts";

const RPC = "/lanekeeper.ingress.v1.IngressService/GetCaller";
const held: ClientRequest[] = [];
let lane: TestIngress;

beforeEach(async () => {
  const limits = { maxEventBytesInFlight: 1_000, maxBodyBytesInFlight: 10_000 };
  lane = await startTestIngress({ limits });
});
afterEach(async () => {
  for (const req of held.splice(0)) req.destroy();
  await lane[Symbol.asyncDispose]();
});

/** Sends so much of a body of 100,000 bytes, and no more of it. */
function hold(path: string, bytes: number, authorization = ""): ClientRequest {
  const headers = { "content-type": "application/json", "content-length": 100_000, authorization };
  const req = request(`${lane.url}${path}`, { method: "POST", headers });
  req.on("error", () => undefined).write("x".repeat(bytes));
  held.push(req);
  return req;
}

async function answered(req: ClientRequest): Promise<[number | undefined, unknown]> {
  const [res] = (await once(req, "response")) as [IncomingMessage];
  const chunks = (await res.toArray()) as Buffer[];
  return [res.statusCode, JSON.parse(Buffer.concat(chunks).toString())];
}

test.each(["", "Bearer lk_nobodys_key_0123456789abcdef"])(
  "of an RPC whose key is not known the body is not waited for: %j",
  async (authorization) => {
    const [status, body] = await answered(hold(RPC, 1, authorization));
    expect([status, body]).toMatchObject([401, { code: "unauthenticated" }]);
    const { details } = body as { details: { debug: unknown }[] };
    expect(details.map(({ debug }) => debug)).toContainEqual(
      expect.objectContaining({ reason: "UNAUTHENTICATED" }),
    );
  },
);

test("of an RPC by GET whose key is not known nothing is read", async () => {
  const path = `${RPC}?connect=v1&encoding=json&message=${encodeURIComponent('{"no json')}`;
  for (const authorization of ["", "Bearer lk_nobodys_key_0123456789abcdef"]) {
    const refused = await fetch(`${lane.url}${path}`, { headers: { authorization } });
    const { code, details } = (await refused.json()) as { code: string; details: unknown[] };
    expect([refused.status, code]).toEqual([401, "unauthenticated"]);
    expect(details).toContainEqual(
      expect.objectContaining({ debug: expect.objectContaining({ reason: "UNAUTHENTICATED" }) }),
    );
    expect(refused.headers.get("x-request-id")).toMatch(/./);
  }
  const known = { headers: { authorization: `Bearer ${lane.apiKey}` } };
  expect((await fetch(`${lane.url}${path}`, known)).status).toBe(400);
  const whole = path.replace(/message=.*/, "message=%7B%7D");
  expect((await fetch(`${lane.url}${whole}`, known)).status).toBe(200);
});

test("bodies of RPCs that are being read have their room together, and give it back", async () => {
  const key = `Bearer ${lane.apiKey}`;
  const first = hold(RPC, 9_000, key);
  const [status, body] = await answered(hold(RPC, 9_000, key));
  expect([status, body]).toMatchObject([429, { code: "resource_exhausted" }]);
  first.destroy();
  await expect.poll(async () => (await ask(lane, { path: RPC, body: {} })).status).toBe(200);
  const large = `{}${" ".repeat(900)}`;
  for (let n = 0; n < 12; n += 1) {
    expect((await ask(lane, { path: RPC, body: large })).status).toBe(200);
  }
});

test("posts to channels, which show no key, take no room from those who show one", async () => {
  hold("/channels/webhook/nobody", 900);
  const full = async () =>
    (await ask(lane, { path: "/channels/webhook/nobody", body: "x".repeat(200) })).status;
  await expect.poll(full).toBe(429);
  expect((await ask(lane)).status).toBe(200);
});
