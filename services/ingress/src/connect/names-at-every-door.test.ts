import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import type { ResolveSessionRequest } from "@lanekeeper/protocol/lanekeeper/identity/v1/identity_service";
import { LanekeeperError } from "@lanekeeper/rpc";
import { RULE_SET_VERSION } from "@lanekeeper/session-key";
import { afterAll, beforeAll, expect, test } from "vitest";
import { ask } from "../testing/ask.ts";
import { startTestIngress, type TestIngress } from "../testing/test-ingress.ts";

/**
 * A name arrives at session-identity as it was sent, through whichever door (G9). The published vectors are
 * the names; that session-identity, over gRPC, makes of each what the pure rules make of it is its own test.
 */
let lane: TestIngress;

beforeAll(async () => {
  lane = await startTestIngress();
  // After it was noted: no turn is needed to see which name came.
  // Whose agent is not there is not asked for.
  const named = NAMES.flatMap((raw) => /^agent:([^:]+):/i.exec(raw)?.[1]?.toLowerCase() ?? []);
  lane.runner.agentIds = ["main", ...new Set(named)];
  lane.identity.refusal = new LanekeeperError("QUOTA", "the name was seen");
});
afterAll(() => lane[Symbol.asyncDispose]());

interface Vectors {
  readonly rule_set_version: number;
  readonly accept: readonly { readonly raw: string }[];
  readonly refuse: readonly { readonly raw: string }[];
}

const file = createRequire(import.meta.url).resolve("@lanekeeper/session-key/vectors");
const { rule_set_version, accept, refuse } = JSON.parse(readFileSync(file, "utf8")) as Vectors;
const ALL = [...accept, ...refuse].map(({ raw }) => raw);
/** Half a character stands in no UTF-8, so it passes no door; an empty text is no name. */
const NAMES = ALL.filter((raw) => raw !== "" && Buffer.from(raw).toString() === raw);

/** The names that session-identity was asked for by the work. */
async function arrived(work: () => Promise<unknown>): Promise<unknown[]> {
  const before = lane.identity.calls.length;
  await work();
  const calls = lane.identity.calls.slice(before);
  return calls.map(({ request }) => (request as ResolveSessionRequest).name.value);
}

/** One after another, so that what arrived stands in the order of the names. */
async function each(names: readonly string[], send: (raw: string) => Promise<unknown>) {
  for (const raw of names) await send(raw);
}

const RESOLVE = "/lanekeeper.identity.v1.SessionIdentityService/ResolveSession";

test("the vectors are of the rules in force, and have names enough for every door", () => {
  expect(rule_set_version).toBe(RULE_SET_VERSION);
  expect(ALL.length - NAMES.length).toBeLessThan(20);
  expect(NAMES.length).toBeGreaterThan(150);
});

test("verbatim in a header", async () => {
  const ascii = NAMES.filter((raw) => /^[!-~]([ -~]*[!-~])?$/.test(raw));
  expect(ascii.length).toBeGreaterThan(50);
  const send = (raw: string) => ask(lane, { headers: { "x-session-key": raw } });
  expect(await arrived(() => each(ascii, send))).toEqual(ascii);
});

test("percent-encoded in a header, whatever the name holds", async () => {
  const send = (raw: string) =>
    ask(lane, { headers: { "x-session-key-encoded": encodeURIComponent(raw) } });
  expect(await arrived(() => each(NAMES, send))).toEqual(NAMES);
});

test("as JSON of Connect", async () => {
  const send = (rawKey: string) => ask(lane, { path: RESOLVE, body: { rawKey } });
  expect(await arrived(() => each(NAMES, send))).toEqual(NAMES);
});
