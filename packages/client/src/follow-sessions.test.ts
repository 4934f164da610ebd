import { create } from "@bufbuild/protobuf";
import {
  type WatchSessionsRequestSchema,
  type WatchSessionsResponse,
  WatchSessionsResponseSchema,
} from "@lanekeeper/protocol/lanekeeper/identity/v1/watch";
import { Code, LanekeeperError, RpcError } from "@lanekeeper/rpc";
import { expect, test } from "vitest";
import { followSessions, RefusedCallError, type SessionFeed } from "./index.ts";
import type { MessageInitShape } from "@bufbuild/protobuf";

type Request = MessageInitShape<typeof WatchSessionsRequestSchema>;
type Step = WatchSessionsResponse | Error;

/** A feed that tells each stream what a list says, and waits for the signal behind the last. */
class Feed implements SessionFeed {
  readonly requests: Request[] = [];
  readonly #streams: Step[][];

  constructor(...streams: Step[][]) {
    this.#streams = streams;
  }

  async *watchSessions(request: Request, { signal }: { signal?: AbortSignal | undefined } = {}) {
    this.requests.push(request);
    const steps = this.#streams.shift();
    for (const step of steps ?? []) {
      if (step instanceof Error) throw step;
      yield step;
    }
    if (steps === undefined) {
      await new Promise((resolve) => signal?.addEventListener("abort", resolve, { once: true }));
      throw new RpcError(Code.CANCELLED, "the call was cancelled");
    }
  }
}

const snapshotEnd = (resumeToken: string) =>
  create(WatchSessionsResponseSchema, { event: { case: "snapshotEnd", value: {} }, resumeToken });
const snapshot = (sessionKey: string) =>
  create(WatchSessionsResponseSchema, {
    event: { case: "snapshot", value: { ref: { sessionKey } } },
  });
const changed = (resumeToken: string) =>
  create(WatchSessionsResponseSchema, { event: { case: "changed", value: {} }, resumeToken });

const CUT = new RpcError(Code.UNAVAILABLE, "the stream was cut");

/** What is told until the feed has nothing more to say. */
async function told(
  feed: Feed,
  streams: number,
  request?: Request,
): Promise<(string | undefined)[]> {
  const leaving = new AbortController();
  const seen: (string | undefined)[] = [];
  const following = (async () => {
    for await (const { event } of followSessions(feed, request, { signal: leaving.signal })) {
      seen.push(event.case);
    }
  })();
  await expect.poll(() => feed.requests.length).toBe(streams);
  leaving.abort();
  await following;
  return seen;
}

const tokens = (feed: Feed) => feed.requests.map(({ resumeToken }) => resumeToken ?? "");

test("a stream that breaks goes on from the last token", async () => {
  const feed = new Feed([snapshot("a"), snapshotEnd("t1"), changed("t2"), CUT], [changed("t3")]);
  expect(await told(feed, 3)).toEqual(["snapshot", "snapshotEnd", "changed", "changed"]);
  expect(tokens(feed)).toEqual(["", "t2", "t3"]);
});

test("a snapshot that is cut begins again", async () => {
  const feed = new Feed([snapshot("a"), CUT], [snapshot("a"), snapshotEnd("t1")]);
  expect(await told(feed, 3)).toEqual(["snapshot", "snapshot", "snapshotEnd"]);
  expect(tokens(feed)).toEqual(["", "", "t1"]);
});

test("a slow reader goes on from the last token", async () => {
  const feed = new Feed([snapshotEnd("t1"), new LanekeeperError("SLOW_CONSUMER", "slow")]);
  await told(feed, 2);
  expect(tokens(feed)).toEqual(["", "t1"]);
});

test("a token that is too old is followed by a snapshot, also for those who skipped the first", async () => {
  const expired = new LanekeeperError("RESUME_TOKEN_EXPIRED", "too old");
  const feed = new Feed([expired], [snapshot("a"), snapshotEnd("t9")]);
  const request = { resumeToken: "t1", skipSnapshot: true, agentId: "main" };
  expect(await told(feed, 3, request)).toEqual(["snapshot", "snapshotEnd"]);
  expect(feed.requests).toEqual([
    request,
    { resumeToken: "", skipSnapshot: false, agentId: "main" },
    { resumeToken: "t9", skipSnapshot: false, agentId: "main" },
  ]);
});

test("each interruption is told, as what it means for the caller", async () => {
  const feed = new Feed([snapshotEnd("t1"), CUT], [new LanekeeperError("SLOW_CONSUMER", "slow")]);
  const leaving = new AbortController();
  const told: string[] = [];
  const options = {
    signal: leaving.signal,
    interrupted: (error: Error) => {
      if (told.push(`${error.name}: ${error.message}`) === 2) leaving.abort();
    },
  };
  for await (const { event } of followSessions(feed, {}, options)) expect(event.case).toBeDefined();
  expect(told).toEqual(["RetryCallError: the stream was cut", "ResumeCallError: slow"]);
});

test("what asking again does not mend is thrown", async () => {
  const feed = new Feed([snapshotEnd("t1"), new LanekeeperError("PERMISSION_DENIED", "no")]);
  const following = followSessions(feed);
  await following.next();
  await expect(following.next()).rejects.toBeInstanceOf(RefusedCallError);
});

test("whoever left before the first call makes none", async () => {
  const feed = new Feed();
  const { done } = await followSessions(feed, {}, { signal: AbortSignal.abort() }).next();
  expect([done, feed.requests.length]).toEqual([true, 0]);
});

test("the options of the calls are handed on", async () => {
  const calls: unknown[] = [];
  const feed = {
    async *watchSessions(
      _: Request,
      options?: { tenant?: string; signal?: AbortSignal | undefined },
    ) {
      calls.push(options?.tenant);
      yield snapshotEnd("t1");
    },
  };
  await followSessions(feed, {}, { call: { tenant: "acme" } }).next();
  expect(calls).toEqual(["acme"]);
});
