import { PeerKind } from "@lanekeeper/protocol/lanekeeper/identity/v1/key";
import { LanekeeperError } from "@lanekeeper/rpc";
import { expect, test } from "vitest";
import { Deadline } from "./deadline.ts";
import { KnownSame } from "./known-same.ts";
import type { AdapterPorts } from "./ports.ts";

const ACCOUNT = { channel: "slack", accountId: "T1", agentId: "", source: "slack/1.0" };
const MINUTE_MS = 60_000;

/** Registers the two ids of one person after another, at times that the test says. */
function subject() {
  const registered: unknown[] = [];
  const state = { nowMs: 0, refusal: undefined as LanekeeperError | undefined };
  const registerEquivalence = async (request: {
    readonly sameAs?: { readonly peerId?: string };
  }) => {
    registered.push(request.sameAs?.peerId);
    if (state.refusal !== undefined) throw state.refusal;
    return {};
  };
  const ports = { identity: { registerEquivalence } } as unknown as AdapterPorts;
  const same = new KnownSame(() => state.nowMs);
  const register = (id: string): Promise<void> => {
    const peer = { channel: "slack", accountId: "T1", kind: PeerKind.DIRECT, peerId: `U${id}` };
    const deadline = new Deadline({ requestId: "r", withinMs: 1_000 });
    const samePeers = [{ peer, sameAs: { ...peer, peerId: `D${id}` } }];
    return same.register(ports, "default", ACCOUNT, samePeers, deadline);
  };
  return { state, registered, register };
}

test("two names are registered once in a while, so that a database that has lost them is told again", async () => {
  const { state, registered, register } = subject();
  await register("1");
  state.nowMs = 9 * MINUTE_MS;
  await register("1");
  expect(registered).toEqual(["D1"]);
  state.nowMs = 11 * MINUTE_MS;
  await register("1");
  await register("1");
  expect(registered).toEqual(["D1", "D1"]);
});

test("names that have long gone apart cost no call with each message", async () => {
  const { state, registered, register } = subject();
  state.refusal = new LanekeeperError("ALIAS_CONFLICT", "both had sessions");
  await register("1");
  await register("1");
  expect(registered).toHaveLength(1);
});

test("what was not registered is tried again at once", async () => {
  const { state, registered, register } = subject();
  state.refusal = new LanekeeperError("STORE_UNAVAILABLE", "away");
  await expect(register("1")).rejects.toThrow("away");
  state.refusal = undefined;
  await register("1");
  expect(registered).toHaveLength(2);
});

test("of more than can be remembered the oldest is forgotten", async () => {
  const { registered, register } = subject();
  for (let id = 0; id <= 10_000; id++) await register(String(id));
  await register("10000");
  expect(registered).toHaveLength(10_001);
  await register("0");
  expect(registered).toHaveLength(10_002);
});
