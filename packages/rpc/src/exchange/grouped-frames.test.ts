import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { Metadata } from "@grpc/grpc-js";
import { expect, onTestFinished, test } from "vitest";
import { allowAll } from "../auth/allow.ts";
import { serviceCredential } from "../auth/service-credential.ts";
import { DEFAULT_CHANNEL_LIMITS, openChannel } from "../client/channel.ts";
import { rawBytes } from "../codec.ts";
import { METADATA } from "../metadata/names.ts";
import { echoRoutes, gate, SECRET } from "../testing/echo.ts";
import { framingClient, startExchange, untilFramed } from "../testing/exchange-echo.ts";
import {
  EchoService,
  type ExchangeRequest,
  ExchangeRequestSchema,
  type ExchangeResponse,
  ExchangeResponseSchema,
} from "../testing/gen/lanekeeper/rpctest/v1/echo_service_pb.ts";
import { exchangeHandler } from "./exchange-handler.ts";
import { groupsOf, MAX_GROUP_BYTES } from "./grouped-frames.ts";

/** A client of another make: what it sends is written by hand, what it gets is kept as it came. */
function rawStream(address: string) {
  const channel = openChannel(address, undefined, DEFAULT_CHANNEL_LIMITS);
  onTestFinished(() => channel.close());
  const metadata = new Metadata();
  metadata.set(METADATA.authorization, serviceCredential("runner", SECRET).authorization);
  const path = `/${EchoService.typeName}/Exchange`;
  const stream = channel.makeBidiStreamRequest(path, rawBytes, rawBytes, metadata, {});
  const messages: ExchangeResponse[] = [];
  stream.on("data", (bytes: Buffer) => messages.push(fromBinary(ExchangeResponseSchema, bytes)));
  stream.on("error", () => undefined);
  onTestFinished(() => stream.cancel());
  return {
    messages,
    answered: () => messages.flatMap((message) => [message, ...message.more]),
    send: (frame: ExchangeRequest) => {
      stream.write(Buffer.from(toBinary(ExchangeRequestSchema, frame)));
    },
  };
}

function shout(n: number, more: readonly ExchangeRequest[] = [], readsMore = false) {
  const call = { case: "shout", value: { text: `t${n}` } } as const;
  return create(ExchangeRequestSchema, {
    ...{ callId: BigInt(n), tenant: "acme", call, readsMore },
    more: [...more],
  });
}

/** A server whose answers are all ready at once, when so many calls have come. */
function answersTogether(count: number) {
  const release = gate();
  let running = 0;
  return startExchange({
    routes: {
      shout: async ({ text }) => {
        running += 1;
        if (running === count) release.open();
        await release.opened;
        return { text };
      },
    },
  });
}

test.each([
  ["says nothing of it gets every answer alone", false],
  ["reads them together gets the answers of one moment in one message", true],
])("a client that %s", async (_what, readsMore) => {
  const { server } = await answersTogether(20);
  const { messages, answered, send } = rawStream(server.address);
  for (let n = 1; n <= 20; n += 1) send(shout(n, [], readsMore));
  await expect.poll(() => answered().length).toBe(20);
  expect(messages.length).toBe(readsMore ? 1 : 20);
  expect(new Set(answered().map(({ callId }) => Number(callId))).size).toBe(20);
  expect(messages[0]?.readsMore).toBe(true);
});

test("frames that come together are calls of their own: one that is refused fails no other", async () => {
  const { server, reports } = await startExchange();
  const { answered, send } = rawStream(server.address);
  const nobodys = create(ExchangeRequestSchema, {
    callId: 2n,
    call: { case: "shout", value: { text: "for no tenant" } },
  });
  send(shout(1, [nobodys, shout(3)]));
  await expect.poll(() => answered().length).toBe(3);
  const cases = new Map(answered().map(({ callId, result }) => [Number(callId), result.case]));
  expect(cases).toEqual(
    new Map([
      [1, "shout"],
      [2, "error"],
      [3, "shout"],
    ] as const),
  );
  expect(reports.map(({ code }) => code).toSorted()).toEqual(["INVALID_ARGUMENT", "OK", "OK"]);
});

/** Keeps what a server reads. */
async function* kept(
  frames: AsyncIterable<ExchangeRequest>,
  seen: ExchangeRequest[],
): AsyncGenerator<ExchangeRequest> {
  for await (const frame of frames) {
    seen.push(frame);
    yield frame;
  }
}

test("calls of one moment go together to a server that has said that it reads them so", async () => {
  const seen: ExchangeRequest[] = [];
  const allow = allowAll(EchoService, "runner");
  const exchange = exchangeHandler({ desc: EchoService, routes: echoRoutes, allow });
  const service = await startExchange({
    routes: { exchange: (frames, call) => exchange(kept(frames, seen), call) },
  });
  const client = framingClient(service.server.address);
  await untilFramed(client, service);
  seen.length = 0;
  const texts = Array.from({ length: 50 }, (_, n) => `t${n}`);
  const answers = await Promise.all(texts.map((text) => client.echo({ text })));
  expect(answers.map(({ text }) => text)).toEqual(texts);
  expect(seen.length).toBe(1);
  expect(seen[0]?.more.length).toBe(49);
});

test("a server that says nothing of it gets every call alone", async () => {
  const seen: ExchangeRequest[] = [];
  const service = await startExchange({
    routes: {
      async *exchange(frames) {
        for await (const frame of kept(frames, seen)) {
          yield { callId: frame.callId, result: { case: "echo", value: { text: "old" } } };
        }
      },
    },
  });
  const client = framingClient(service.server.address);
  await expect.poll(async () => (await client.echo({})).text).toBe("old");
  await Promise.all(Array.from({ length: 50 }, () => client.echo({})));
  expect(seen.length).toBeGreaterThanOrEqual(51);
  expect(seen.every(({ more }) => more.length === 0)).toBe(true);
});

test("a group keeps its order and stays within its bound; a frame above it goes alone", () => {
  const frames = [10, MAX_GROUP_BYTES, 20, 30, MAX_GROUP_BYTES - 50, 1].map((n) => Buffer.alloc(n));
  expect(groupsOf(frames).map((group) => group.map(({ length }) => length))).toEqual([
    [10],
    [MAX_GROUP_BYTES],
    [20, 30, MAX_GROUP_BYTES - 50],
    [1],
  ]);
  expect(groupsOf([])).toEqual([]);
});
