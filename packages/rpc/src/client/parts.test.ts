import { expect, test } from "vitest";
import { RpcError } from "../errors/rpc-error.ts";
import { Code } from "../errors/code.ts";
import { LanekeeperError } from "../errors/lanekeeper-error.ts";
import { failure } from "../testing/echo.ts";
import { MessageStream } from "./message-stream.ts";
import { backoffMs, beforeRetry, DEFAULT_RETRY } from "./retry.ts";
import { grpcTarget } from "./target.ts";

test.each([
  ["127.0.0.1:7101", "127.0.0.1:7101"],
  ["dns:///session-identity:7101", "dns:///session-identity:7101"],
  ["10.0.0.1:7101, 10.0.0.2:7101", "ipv4:10.0.0.1:7101,10.0.0.2:7101"],
  ["localhost:7101,10.0.0.2:7101", "ipv4:127.0.0.1:7101,10.0.0.2:7101"],
  ["[::1]:7101,[::2]:7101", "ipv6:[::1]:7101,[::2]:7101"],
  ["ipv4:10.0.0.1:7101,10.0.0.2:7101", "ipv4:10.0.0.1:7101,10.0.0.2:7101"],
])("the target %s is %s to grpc-js", (target, expected) => {
  expect(grpcTarget(target)).toBe(expected);
});

test.each(["", " ", "a.example:1,b.example:1", "10.0.0.1:1,[::1]:1"])(
  "%j is no target",
  (target) => {
    expect(() => grpcTarget(target)).toThrow();
  },
);

test("the backoff doubles up to its bound, jittered between half and all of it", () => {
  const policy = { maxAttempts: 9, initialBackoffMs: 50, maxBackoffMs: 300 };
  const at = (random: number) =>
    [1, 2, 3, 4, 5].map((n) => backoffMs(policy, n, null, () => random));
  expect(at(0)).toEqual([25, 50, 100, 150, 150]);
  expect(at(1)).toEqual([50, 100, 200, 300, 300]);
});

test("a wait that the peer asked for is kept", () => {
  const error = new LanekeeperError("STORE_UNAVAILABLE", "", { retryAfterMs: 700 });
  expect(backoffMs(DEFAULT_RETRY, 1, error)).toBe(700);
});

test("a wait that no timer takes is long, not over at once", () => {
  const error = new LanekeeperError("STORE_UNAVAILABLE", "", { retryAfterMs: 2 ** 31 });
  const waitMs = backoffMs(DEFAULT_RETRY, 1, error);
  expect(waitMs).toBeGreaterThan(20 * 86_400_000);
  expect(waitMs).toBeLessThan(2 ** 31);
});

test("no retry is waited for that would come after the deadline", async () => {
  const error = new RpcError(Code.UNAVAILABLE, "");
  const deadlineMs = Date.now() + 5;
  const policy = { ...DEFAULT_RETRY, initialBackoffMs: 60_000, maxBackoffMs: 60_000 };
  expect(await failure(beforeRetry(error, policy, 1, deadlineMs, []))).toBe(error);
});

test("messages pause their source when sixteen wait, and resume it when they are read", async () => {
  const steps: string[] = [];
  const stream = new MessageStream<number>();
  stream.attach({
    pause: () => steps.push("pause"),
    resume: () => steps.push("resume"),
    cancel: () => steps.push("cancel"),
  });
  for (let n = 0; n < 16; n += 1) stream.push(n);
  expect(steps).toEqual(["pause"]);
  for (let n = 0; n < 12; n += 1) expect((await stream.next()).value).toBe(n);
  expect(steps).toEqual(["pause", "resume"]);
  await stream.return();
  expect(steps).toEqual(["pause", "resume", "cancel"]);
  expect(await stream.next()).toEqual({ done: true, value: undefined });
});

test("a source that comes after the reader has left is cancelled", async () => {
  const stream = new MessageStream<number>();
  await stream.return();
  let cancelled = false;
  const nothing = () => {};
  stream.attach({
    pause: nothing,
    resume: nothing,
    cancel: () => {
      cancelled = true;
    },
  });
  expect(cancelled).toBe(true);
});
