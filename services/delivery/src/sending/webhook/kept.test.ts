import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { systemClock } from "@lanekeeper/service";
import { eventually } from "@lanekeeper/testing";
import { afterEach, beforeEach, expect, test } from "vitest";
import { parseNetwork } from "@lanekeeper/addresses";
import { LIMITS } from "../../limits.ts";
import { newDelivery } from "../../testing/rows.ts";
import type { Reply } from "../channel.ts";
import { KeptConnections } from "../http/kept-connections.ts";
import { webhookChannel } from "./webhook-channel.ts";

const LOOPBACK = ["127.0.0.0/8"].flatMap((text) => parseNetwork(text) ?? []);

let kept: KeptConnections;
let receiver: Awaited<ReturnType<typeof startReceiver>>;
/** Where the name leads. */
let addresses: readonly string[];

beforeEach(async () => {
  kept = new KeptConnections({ ...LIMITS, keptConnections: 2 });
  receiver = await startReceiver();
  addresses = ["127.0.0.1"];
});
afterEach(async () => {
  kept.close();
  await receiver[Symbol.asyncDispose]();
});

/** Answers 200; each post is known by the number of its connection. */
async function startReceiver() {
  const seen: number[] = [];
  const connections = new Map<unknown, number>();
  let answer = (_: IncomingMessage, response: ServerResponse): void => void response.end("taken");
  const server = createServer((request, response) => {
    request.resume().once("end", () => {
      seen.push(connections.get(request.socket) ?? 0);
      answer(request, response);
    });
  });
  server.on("connection", (socket) => {
    connections.set(socket, connections.size + 1);
    socket.once("close", () => (closed += 1));
  });
  let closed = 0;
  server.listen(0, "0.0.0.0");
  await once(server, "listening");
  return {
    seen,
    closed: () => closed,
    cut: () => server.closeAllConnections(),
    answers: (next: typeof answer) => void (answer = next),
    url: `http://hook.example:${(server.address() as AddressInfo).port}/`,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}

async function post(mayResend = true, claim = async (): Promise<void> => undefined) {
  const channel = webhookChannel({
    lookUp: async () => addresses,
    ...{ kept, allowed: LOOPBACK, clock: systemClock, limits: LIMITS, version: "1" },
  });
  const about = { ...newDelivery("r", "t"), kind: 1, accountId: "", threadId: "", gapBefore: 0 };
  const progress = { acceptedPieces: 0, isDoubtful: false, mayResend, pieceHandle: "" };
  const secrets = { signingSecrets: ["whsec_AAAA"], createTime: new Date(0) };
  const reply: Reply = { ...about, ...progress, ...secrets, address: receiver.url, parts: [] };
  const notes = { pieces: () => undefined, handle: async () => undefined };
  return (await channel.send(reply, claim, new AbortController().signal, notes)).kind;
}

/** The answer has been read to the end, which may be after its status was known. */
const untilKept = (count: number) => eventually(() => kept.size === count);

test("posts one after another go over one connection, posts at once over as many", async () => {
  expect(await post()).toBe("sent");
  await untilKept(1);
  expect(await post()).toBe("sent");
  await untilKept(1);
  expect(receiver.seen).toEqual([1, 1]);
  expect(await Promise.all([post(), post()])).toEqual(["sent", "sent"]);
  expect(new Set(receiver.seen.slice(2))).toEqual(new Set([1, 2]));
});

test("a name that leads elsewhere by now is not followed over what is left of before", async () => {
  await post();
  await untilKept(1);
  addresses = ["127.0.0.2"];
  expect(await post()).toBe("sent");
  expect(receiver.seen).toEqual([1, 2]);
  await untilKept(2);
  addresses = ["127.0.0.2", "10.0.0.1"];
  expect(await post()).toBe("refused");
  expect(receiver.seen).toEqual([1, 2]);
});

test("what must not be sent twice goes over a connection of its own", async () => {
  await post();
  await untilKept(1);
  expect(await post(false)).toBe("sent");
  expect(receiver.seen).toEqual([1, 2]);
});

test("a connection that its receiver has closed is not used again", async () => {
  receiver.answers((_, response) => void response.setHeader("connection", "close").end());
  await post();
  await eventually(() => receiver.closed() === 1);
  expect(await post()).toBe("sent");
  expect(receiver.seen).toEqual([1, 2]);
});

test("one that is closed while the claim is made costs an attempt, and nothing is perhaps sent", async () => {
  await post();
  await untilKept(1);
  const loseIt = async () => {
    receiver.cut();
    // A whole request later our side has heard of the end too.
    await fetch(receiver.url.replace("hook.example", "127.0.0.1"));
  };
  expect(await post(true, loseIt)).toBe("failed");
  expect(receiver.seen).toEqual([1, 2]);
});

test("no more are kept than may be, and none for long", async () => {
  await Promise.all([post(), post(), post(), post()]);
  await eventually(() => receiver.closed() >= 2);
  expect(kept.size).toBeLessThanOrEqual(2);
  await eventually(() => receiver.closed() === 4);
  expect(kept.size).toBe(0);
});

test("an answer that does not end leaves the outcome as its status has it, and the connection", async () => {
  receiver.answers((_, response) => {
    response.writeHead(200);
    response.write("x".repeat(2 * LIMITS.responseBytes));
  });
  expect(await post()).toBe("sent");
  await eventually(() => receiver.closed() === 1);
  expect(kept.size).toBe(0);
});
