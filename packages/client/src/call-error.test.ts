import { Code, LanekeeperError, REASONS, type Reason, RpcError } from "@lanekeeper/rpc";
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

  test("every reason of the table has a class", () => {
    for (const reason of Object.keys(REASONS) as Reason[]) {
      expect(asCallError(new LanekeeperError(reason, "told")).reason).toBe(reason);
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
