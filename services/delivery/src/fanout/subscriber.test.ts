import { hasReason } from "@lanekeeper/rpc";
import { ManualClock } from "@lanekeeper/service/testing";
import { expect, test } from "vitest";
import { FanOut } from "./fan-out.ts";
import { Subscriber } from "./subscriber.ts";
import { type Told, told } from "./told.ts";

const LIMITS = { subscriberMessages: 3, subscriberBytes: 1_000 };
const never = new AbortController().signal;
const filter = (prefix: string, tenant = "acme") => ({
  tenant,
  prefix,
  agents: [],
  keyPrefixes: [],
});

const message = (resumeToken: string): Told => told({ event: { resumeToken } });

async function tokensOf(subscriber: Subscriber, count: number): Promise<string[]> {
  const tokens: string[] = [];
  for (let n = 0; n < count; n += 1) {
    tokens.push((await subscriber.next(1, never))?.message.event?.resumeToken ?? "silence");
  }
  return tokens;
}

test("who leaves too many messages unread is dropped; the others are told on", async () => {
  const fanOut = new FanOut();
  const [slow, quick] = [
    new Subscriber(new ManualClock(), LIMITS),
    new Subscriber(new ManualClock(), LIMITS),
  ];
  fanOut.add(filter(""), slow);
  fanOut.add(filter("agent:main:"), quick);
  for (let n = 1; n <= 4; n += 1) {
    fanOut.tell("acme", "agent:main:a", () => message(`t${n}`));
    expect(await tokensOf(quick, 1)).toEqual([`t${n}`]);
  }
  const error = await slow.next(1, never).catch((thrown: unknown) => thrown);
  expect(hasReason(error, "SLOW_CONSUMER")).toBe(true);
});

test("who leaves too many bytes unread is dropped", async () => {
  const subscriber = new Subscriber(new ManualClock(), LIMITS);
  subscriber.push(message("x".repeat(600)));
  subscriber.push(message("x".repeat(600)));
  const error = await subscriber.next(1, never).catch((thrown: unknown) => thrown);
  expect(hasReason(error, "SLOW_CONSUMER")).toBe(true);
});

test("what was read no longer counts", async () => {
  const subscriber = new Subscriber(new ManualClock(), LIMITS);
  for (let n = 0; n < 20; n += 1) {
    subscriber.push(message("x".repeat(900)));
    expect(await tokensOf(subscriber, 1)).toHaveLength(1);
  }
});

test("a message is made once for all who want it, and not at all where nobody does", () => {
  const fanOut = new FanOut();
  const clock = new ManualClock();
  const leaves = ["agent:main:a", "agent:main:", "", "agent:main:b"].map((prefix) =>
    fanOut.add(filter(prefix), new Subscriber(clock, LIMITS)),
  );
  let made = 0;
  const make = (): Told => {
    made += 1;
    return message("t");
  };
  fanOut.tell("acme", "agent:main:a", make);
  expect(made).toBe(1);
  fanOut.tell("rival", "agent:main:a", make);
  for (const leave of leaves) leave();
  fanOut.tell("acme", "agent:main:a", make);
  expect(made).toBe(1);
});

test("a subscriber of one prefix is not told of keys beside it", async () => {
  const fanOut = new FanOut();
  const told: Record<string, Subscriber> = {};
  for (const prefix of ["agent:main:a", "agent:main:ab", "agent:main:b"]) {
    const subscriber = new Subscriber(new ManualClock(), LIMITS);
    told[prefix] = subscriber;
    fanOut.add(filter(prefix), subscriber);
  }
  fanOut.tell("acme", "agent:main:ab", () => message("t"));
  expect(Object.entries(told).map(([prefix, { isEmpty }]) => [prefix, isEmpty])).toEqual([
    ["agent:main:a", false],
    ["agent:main:ab", false],
    ["agent:main:b", true],
  ]);
});
