import { StaleFenceSchema } from "@lanekeeper/protocol/lanekeeper/identity/v1/session";
import {
  Code,
  errorDetail,
  LanekeeperError,
  REASONS,
  type Reason,
  RpcError,
} from "@lanekeeper/rpc";
import { describe, expect, test } from "vitest";
import {
  asCallError,
  ConflictCallError,
  FailedCallError,
  FencedCallError,
  RefusedCallError,
  ResumeCallError,
  RetryCallError,
} from "./call-error.ts";
import { NEXT_STEP } from "./next-step.ts";

describe("what a caller does next", () => {
  test.each<[Reason, new (cause: unknown) => Error]>([
    ["SESSION_BUSY", RetryCallError],
    ["STORE_UNAVAILABLE", RetryCallError],
    ["WAIT_EXPIRED", RetryCallError],
    ["RESUME_TOKEN_EXPIRED", ResumeCallError],
    ["STALE_GENERATION", FencedCallError],
    ["TAKEN_OVER", FencedCallError],
    ["GENERATION_MISMATCH", ConflictCallError],
    ["KEY_MOVED", ConflictCallError],
    ["MALFORMED_KEY", RefusedCallError],
    ["PERMISSION_DENIED", RefusedCallError],
    ["INTERNAL", FailedCallError],
  ])("%s", (reason, expected) => {
    const error = asCallError(new LanekeeperError(reason, "told"));
    expect(error).toBeInstanceOf(expected);
    expect(error.reason).toBe(reason);
    expect(error.message).toBe("told");
  });

  test("is for every reason what the transport's table says about asking again", () => {
    for (const [reason, { shouldRetry }] of Object.entries(REASONS)) {
      const step = NEXT_STEP[reason as Reason];
      const expected = step === "retry" ? "yes" : step === "resume" ? "resume" : "no";
      expect([reason, shouldRetry]).toEqual([reason, expected]);
    }
  });

  test("a busy session says when to ask again", () => {
    const busy = new LanekeeperError("SESSION_BUSY", "busy", { retryAfterMs: 1_500 });
    expect(asCallError(busy)).toMatchObject({ name: "RetryCallError", afterMs: 1_500 });
  });

  test("nobody answered: again; cancelled: not", () => {
    expect(asCallError(new RpcError(Code.UNAVAILABLE, "no connection"))).toBeInstanceOf(
      RetryCallError,
    );
    expect(asCallError(new RpcError(Code.CANCELLED, "cancelled"))).toBeInstanceOf(FailedCallError);
    expect(asCallError("a text")).toBeInstanceOf(FailedCallError);
  });

  test("what is one already stays as it is", () => {
    const first = asCallError(new LanekeeperError("NOT_FOUND", "no such turn"));
    expect(asCallError(first)).toBe(first);
  });
});

describe("what it needs for that", () => {
  test("a lost fence tells the current one", () => {
    const current = { session: { sessionKey: "agent:main:a", generation: 3n }, runEpoch: 7n };
    const stale = new LanekeeperError("TAKEN_OVER", "lost", {
      details: [errorDetail(StaleFenceSchema, { current })],
    });
    expect(asCallError(stale)).toMatchObject({ name: "FencedCallError", current });
  });

  test("a fence that was lost without a detail has none", () => {
    const error = asCallError(new LanekeeperError("RUN_ENDED", "ended")) as FencedCallError;
    expect(error.current).toBeUndefined();
  });

  test("a refused field is named", () => {
    const fieldViolations = [{ field: "session_key", description: "is not canonical" }];
    const refused = new LanekeeperError("INVALID_REQUEST", "no", { fieldViolations });
    expect(asCallError(refused)).toMatchObject({ fields: fieldViolations });
  });

  test("the message's values are there", () => {
    const mismatch = new LanekeeperError("GENERATION_MISMATCH", "no", {
      metadata: { generation: "4" },
    });
    expect(asCallError(mismatch).metadata).toEqual({ generation: "4" });
  });

  test("only a token that is too old asks for a snapshot", () => {
    const from = (reason: Reason) =>
      (asCallError(new LanekeeperError(reason, "resume")) as ResumeCallError).fromSnapshot;
    expect([from("SLOW_CONSUMER"), from("RESUME_TOKEN_EXPIRED")]).toEqual([false, true]);
  });
});
