import { randomUUID } from "node:crypto";
import { durationFromMs, timestampNow } from "@bufbuild/protobuf/wkt";
import type { Fence } from "@lanekeeper/protocol/lanekeeper/identity/v1/session";
import { TurnClass } from "@lanekeeper/protocol/lanekeeper/identity/v1/lifecycle";
import type { LanekeeperError } from "@lanekeeper/rpc";
import { systemIds } from "@lanekeeper/service";
import { onTestFinished } from "vitest";
import type { IdentityClient } from "./identity.ts";

/** A tenant of its own for each test, with one agent, so that tests share a database. */
export async function newTenant(cli: IdentityClient): Promise<string> {
  const tenant = `t-${randomUUID()}`;
  await cli.applyKeyPolicies(
    { defaultAgentId: "main", policies: [{ agentId: "main" }] },
    { tenant },
  );
  return tenant;
}

/** A BeginRun request for a person's turn. */
export function begin(sessionKey: string, change: object = {}) {
  return {
    sessionKey,
    admittedGeneration: 1n,
    turnId: `turn-${randomUUID()}`,
    runId: systemIds.uuid(),
    leaseDuration: durationFromMs(15_000),
    acceptTime: timestampNow(),
    turnClass: TurnClass.PERSON,
    ...change,
  };
}

/** A UUIDv7 (RFC 9562) that says it was minted at a time, in ms since 1970. */
export function runIdFor(mintedMs: number): string {
  const time = mintedMs.toString(16).padStart(12, "0");
  return `${time.slice(0, 8)}-${time.slice(8)}-7${randomUUID().slice(15)}`;
}

/** The fence of an answer, which has one. */
export function fenceOf(answer: { readonly fence?: Fence | undefined }): Fence {
  if (answer.fence === undefined) throw new Error("the answer has no fence");
  return answer.fence;
}

/** What a call failed with; fails the test if it did not. */
export async function failure(call: Promise<unknown>): Promise<LanekeeperError> {
  try {
    await call;
  } catch (error) {
    return error as LanekeeperError;
  }
  throw new Error("the call went well");
}

/** Ends something with the test. */
export function atEnd(work: () => Promise<unknown> | void): void {
  onTestFinished(async () => {
    await work();
  });
}
