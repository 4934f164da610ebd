import { afterAll, afterEach, beforeAll, expect } from "vitest";
import type { IngressLimits } from "../limits.ts";
import { addAccount, CHANNEL_ENV, HELPDESK } from "./channels.ts";
import { startTestIngress, type TestIngress } from "./test-ingress.ts";

/**
 * One ingress for a file of tests of what is refused. After each, whatever was asked: there is no session,
 * turn, route or setting, and none of the neighbours was asked for anything.
 */
export function nothingWritten(limits: Partial<IngressLimits> = {}): () => TestIngress {
  let lane: TestIngress;
  beforeAll(async () => {
    lane = await startTestIngress({ channelEnv: CHANNEL_ENV, limits });
    addAccount(lane, HELPDESK);
  });
  afterAll(async () => {
    await lane[Symbol.asyncDispose]();
  });
  afterEach(async () => {
    const { identity, runner, delivery, settings } = lane;
    expect([...identity.calls, ...runner.calls].map(({ method }) => method)).toEqual([]);
    expect([identity.sessions.size, runner.turns.length]).toEqual([0, 0]);
    expect(delivery.registered).toEqual([]);
    expect((await settings.read("default")).version).toBe(0n);
  });
  return () => lane;
}
