import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import {
  ExchangeRequestSchema,
  ExchangeResponseSchema,
} from "@lanekeeper/protocol/lanekeeper/identity/v1/identity_service";
import { expect, test } from "vitest";
import type { Mishap } from "./call-proxy.ts";
import { FrameMishaps, framesOf } from "./frame-mishaps.ts";

const IDENTITY = "/lanekeeper.identity.v1.SessionIdentityService/Exchange";
const schemas = { request: ExchangeRequestSchema, response: ExchangeResponseSchema };

type Schema = typeof ExchangeRequestSchema | typeof ExchangeResponseSchema;

function message(schema: Schema, frames: { callId: bigint; readsMore?: boolean }[]): Buffer {
  const [first, ...more] = frames;
  const body = toBinary(schema, create(schema, { ...first, more }));
  const prefix = Buffer.alloc(5);
  prefix.writeUInt32BE(body.length, 1);
  return Buffer.concat([prefix, body]);
}

function framesIn(schema: Schema, bytes: Buffer): { callId: bigint; readsMore: boolean }[] {
  if (bytes.length === 0) return [];
  const end = 5 + bytes.readUInt32BE(1);
  const { callId, readsMore } = fromBinary(schema, bytes.subarray(5, end));
  return [{ callId, readsMore }, ...framesIn(schema, bytes.subarray(end))];
}

/** A stream of which the calls of even numbers have the mishap. */
function stream(mishap: Mishap) {
  const sent: Buffer[] = [];
  const late: Promise<unknown>[] = [];
  let calls = 0;
  const mishaps = new FrameMishaps(schemas, mishap, {
    isHit: () => (calls += 1) % 2 === 0,
    lateMs: () => 5,
    track: (work) => late.push(work),
    send: (bytes) => sent.push(bytes),
  });
  const ids = () => framesIn(ExchangeRequestSchema, Buffer.concat(sent)).map((one) => one.callId);
  return { mishaps, sent, ids, late };
}

const THREE = message(ExchangeRequestSchema, [
  { callId: 1n, readsMore: true },
  { callId: 2n },
  { callId: 3n },
]);

test("the stream of frames of every service is known by its path", async () => {
  const protos = fileURLToPath(new URL("../../../proto", import.meta.url));
  const services: string[] = [];
  for (const name of await readdir(protos, { recursive: true })) {
    const text = name.endsWith(".proto") ? await readFile(join(protos, name), "utf8") : "";
    if (!text.includes("rpc Exchange(")) continue;
    services.push(`${/^package (.+);$/m.exec(text)?.[1]}.${/^service (\w+) \{$/m.exec(text)?.[1]}`);
  }
  expect(services.length).toBeGreaterThan(1);
  for (const service of services) {
    const frames = framesOf(`/${service}/Exchange`);
    const types = [frames?.request.typeName, frames?.response.typeName];
    const of = service.slice(0, service.lastIndexOf("."));
    expect(types).toEqual([`${of}.ExchangeRequest`, `${of}.ExchangeResponse`]);
  }
  expect(framesOf(IDENTITY.replace("Exchange", "BeginRun"))).toBeUndefined();
});

test("frames that came together are lost one by one, however the bytes are cut", () => {
  const { mishaps, ids, sent } = stream("the request is lost");
  for (const byte of THREE) mishaps.request(Buffer.from([byte]));
  expect(ids()).toEqual([1n, 3n]);
  const [first, second] = framesIn(ExchangeRequestSchema, Buffer.concat(sent));
  expect([first?.readsMore, second?.readsMore]).toEqual([true, false]);
});

test("answers are lost, and what the server says beside them is not", () => {
  const { mishaps, ids } = stream("the reply is lost, the call took effect");
  mishaps.request(THREE);
  expect(ids()).toEqual([1n, 2n, 3n]);
  const answers = [{ callId: 2n, readsMore: true }, { callId: 1n }, { callId: 3n }];
  const passed = mishaps.response(message(ExchangeResponseSchema, answers));
  expect(framesIn(ExchangeResponseSchema, passed)).toEqual([
    { callId: 1n, readsMore: true },
    { callId: 3n, readsMore: false },
  ]);
});

test("a frame that comes twice has a number of its own, whose answer nobody hears", () => {
  const { mishaps, ids } = stream("the request comes twice");
  mishaps.request(THREE);
  const [first, second, twin = 0n, third] = ids();
  expect([first, second, third]).toEqual([1n, 2n, 3n]);
  const passed = mishaps.response(message(ExchangeResponseSchema, [{ callId: twin }]));
  expect(passed).toHaveLength(0);
});

test("a frame that comes late comes behind the others", async () => {
  const { mishaps, ids, late } = stream("the request comes late");
  mishaps.request(THREE);
  expect(ids()).toEqual([1n, 3n]);
  await Promise.all(late);
  expect(ids()).toEqual([1n, 3n, 2n]);
});
