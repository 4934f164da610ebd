import { randomUUID } from "node:crypto";

import type { MessageInitShape } from "@bufbuild/protobuf";
import { durationFromMs, timestampNow } from "@bufbuild/protobuf/wkt";
import { createIdentityClient, createRunnerClient, type IdentityClient } from "@lanekeeper/client";
import { RunOutcome, StaleFenceSchema } from "@lanekeeper/protocol/lanekeeper/identity/v1/session";
import {
  TurnClass,
  type WriteLifecycleRequestSchema,
} from "@lanekeeper/protocol/lanekeeper/identity/v1/lifecycle";
import { hasReason } from "@lanekeeper/rpc";
import { eventually, gate, startConstellation, startModelServer } from "@lanekeeper/testing";
import { afterAll, beforeAll, expect, test } from "vitest";

import { openAi, say } from "../support/client.ts";
import { refused } from "../support/refused.ts";
import { spoken } from "../support/transcript.ts";

let model: Awaited<ReturnType<typeof startModelServer>>;
let lanekeeper: Awaited<ReturnType<typeof startConstellation>>;
let asRunner: IdentityClient;

beforeAll(async () => {
  model = await startModelServer();
  lanekeeper = await startConstellation({ model });
  asRunner = createIdentityClient({
    target: lanekeeper.targets["session-identity"],
    credential: lanekeeper.credential("runner"),
    defaults: { tenant: "default", principal: "test" },
  });
});
afterAll(async () => {
  asRunner?.$close();
  await lanekeeper?.stop();
  await model?.[Symbol.asyncDispose]();
});

const IDENTITY = "identity.v1.SessionIdentityService";

function reset(sessionKey: string) {
  return rotate(sessionKey, "RESET");
}

/** Gives the id of the session that stands there now. */
async function rotate(sessionKey: string, reason: string, source: object = {}): Promise<string> {
  const request = { requestId: randomUUID(), sessionKey, reason: `ROTATION_REASON_${reason}` };
  const answer = await lanekeeper.call(`${IDENTITY}/RotateSession`, { ...request, ...source });
  return (answer as { rotation: { current: { sessionId: string } } }).rotation.current.sessionId;
}

interface JournalEntry {
  readonly operation: string;
  readonly decision: string;
  readonly reason?: string;
  readonly generation?: string;
  readonly shown?: { readonly runId?: string };
}

async function journal(sessionKey: string): Promise<JournalEntry[]> {
  const answer = await lanekeeper.call(`${IDENTITY}/ListJournal`, { sessionKey, pageSize: 200 });
  return (answer["entries"] ?? []) as JournalEntry[];
}

test("a reset ends the run under way: its caller is told, the lane goes on at once", async () => {
  const client = openAi(lanekeeper);
  const never = gate();
  const before = model.requests.length;
  model.next({ text: "from the dead", gate: never });
  const a = refused(say(client, "reset:1", "remember this"));
  const shown = await model.request(before);
  model.next({ text: "fresh start" });
  const b = say(client, "reset:1", "hello?");
  await eventually(async () => {
    const { lane } = await lanekeeper.call("runner.v1.RunnerService/GetLane", {
      sessionKey: "agent:main:reset:1",
    });
    return (lane as { depth?: number }).depth === 1;
  });

  await reset("agent:main:reset:1");
  const [told, next] = await Promise.all([a, b]);
  await shown.hungUp;

  expect([told.status, told.code]).toEqual([409, "SUPERSEDED"]);
  expect(told.headers.get("x-should-retry")).toBe("false");
  expect(next.text).toBe("fresh start");
  expect(next.receipt.generation).toBe(2);
  const contextOfNext = model.requests[before + 1]?.messages.map(({ content }) => content);
  expect(contextOfNext).toEqual(["hello?"]);
  const stale = await eventually(
    async () => {
      const entries = await journal("agent:main:reset:1");
      const found = entries.filter(({ reason }) => reason === "STALE_GENERATION");
      return found.length > 0 ? found : undefined;
    },
    { what: "what the old run wrote is refused" },
  );
  expect(stale.every(({ decision }) => decision === "DECISION_REFUSED")).toBe(true);
  const after = await spoken(lanekeeper, "agent:main:reset:1");
  expect(after.slice(-2)).toEqual(["user: hello?", "assistant: fresh start"]);
  expect(after).not.toContain("assistant: from the dead");
});

test("late start, progress, error and end of the old run are STALE and leave the row clean", async () => {
  const key = "agent:main:reset:2";
  await asRunner.resolveSession({ name: { case: "rawKey", value: key } });
  const begun = await asRunner.beginRun({
    sessionKey: key,
    admittedGeneration: 1n,
    turnId: randomUUID(),
    runId: randomUUID(),
    leaseDuration: durationFromMs(60_000),
    acceptTime: timestampNow(),
    turnClass: TurnClass.PERSON,
  });
  const fence = begun.fence;
  if (fence === undefined) throw new Error("the run was granted without a fence");
  await reset(key);
  const clean = await row(key);
  expect(clean.ref?.generation).toBe(2n);
  expect(clean.activeRun).toBeUndefined();

  const run = { case: "run", value: fence } as const;
  const late: MessageInitShape<typeof WriteLifecycleRequestSchema>[] = [
    { writer: run, eventSeq: 1n, event: { case: "started", value: { model: "m" } } },
    { writer: run, eventSeq: 2n, event: { case: "progress", value: { phase: "model" } } },
    { writer: run, event: ended(RunOutcome.FAILED) },
    { writer: run, event: ended(RunOutcome.COMPLETED) },
  ];
  for (const request of late) {
    const error = await asRunner.writeLifecycle(request).then(
      () => undefined,
      (thrown: unknown) => thrown,
    );
    if (!hasReason(error, "STALE_GENERATION")) throw new Error("accepted", { cause: error });
    expect(error.detail(StaleFenceSchema)?.current?.session?.generation).toBe(2n);
  }
  expect(await row(key)).toEqual(clean);
  const refusals = (await journal(key)).filter(({ decision }) => decision === "DECISION_REFUSED");
  expect(refusals.length).toBeGreaterThanOrEqual(3);
  expect(refusals.every(({ shown }) => shown?.runId === fence.runId)).toBe(true);
});

function ended(outcome: RunOutcome) {
  const errorReason = outcome === RunOutcome.FAILED ? "MODEL_FAILED" : "";
  return { case: "ended", value: { outcome, errorReason } } as const;
}

async function row(sessionKey: string) {
  const { session } = await asRunner.getSession({
    session: { case: "sessionKey", value: sessionKey },
  });
  if (session === undefined) throw new Error(`no session under ${sessionKey}`);
  return session;
}

test("a watcher never sees the old run on the new generation", async () => {
  const key = "agent:main:reset:3";
  const client = openAi(lanekeeper);
  const stop = new AbortController();
  const seen: { generation: bigint; runId: string | undefined; revision: bigint }[] = [];
  const watching = (async () => {
    const options = { signal: stop.signal };
    for await (const { event } of asRunner.watchSessions({ sessionKeyPrefix: key }, options)) {
      if (event.case !== "changed" && event.case !== "snapshot") continue;
      const { ref, activeRun, revision } = event.value;
      seen.push({ generation: ref?.generation ?? 0n, runId: activeRun?.runId, revision });
    }
  })().catch((error: unknown) => {
    if (!stop.signal.aborted) throw error;
  });
  await say(client, "reset:3", "warm up");
  const before = model.requests.length;
  model.next({ text: "x", gate: gate() });
  const a = refused(say(client, "reset:3", "slow"));
  await model.request(before);
  await eventually(() => seen.at(-1)?.runId !== undefined);
  const oldRun = seen.at(-1)?.runId;
  await reset(key);
  await a;
  await say(client, "reset:3", "after");
  await eventually(() =>
    seen.some(({ generation, runId }) => generation === 2n && runId !== undefined),
  );
  stop.abort();
  await watching;

  expect(
    seen.filter(({ generation }) => generation === 2n).map(({ runId }) => runId),
  ).not.toContain(oldRun);
  const revisions = seen.map(({ revision }) => revision);
  expect(revisions).toEqual([...new Set(revisions)].toSorted((x, y) => Number(x - y)));
  const generations = seen.map(({ generation }) => generation);
  expect(generations).toEqual(generations.toSorted((x, y) => Number(x - y)));
});

test("only the runner may begin a run, and only delivery may write a reply's event", async () => {
  const asIngress = createIdentityClient({
    target: lanekeeper.targets["session-identity"],
    credential: lanekeeper.credential("ingress"),
    defaults: { tenant: "default", principal: "test" },
  });
  const begin = asIngress.beginRun({ sessionKey: "agent:main:reset:2", runId: randomUUID() });
  await expect(begin).rejects.toMatchObject({ reason: "PERMISSION_DENIED" });
  const reply = asRunner.writeLifecycle({
    writer: {
      case: "reply",
      value: {
        session: { sessionKey: "agent:main:reset:2", sessionId: randomUUID(), generation: 1n },
        turnId: randomUUID(),
        deliveryId: randomUUID(),
      },
    },
    eventSeq: 1n,
    event: { case: "sending", value: { attempt: 1 } },
  });
  await expect(reply).rejects.toMatchObject({ reason: "PERMISSION_DENIED" });
  const unknown = createRunnerClient({
    target: lanekeeper.targets.runner,
    credential: { authorization: "Bearer nonsense" },
  });
  await expect(unknown.listAgents({})).rejects.toMatchObject({ reason: "UNAUTHENTICATED" });
  asIngress.$close();
  unknown.$close();
});

test("fork, replay and restore: the next turn is shown the history of its parents, as far as it goes", async () => {
  const client = openAi(lanekeeper);
  /** Says something, is answered "re: " it, and gives what the model was shown. */
  const shownAt = async (key: string, text: string) => {
    model.next({ text: `re: ${text}` });
    const { receipt } = await say(client, key, text);
    const lines = model.requests.at(-1)?.messages.map(({ content }) => String(content));
    return { lines, sessionId: receipt.session_id, turnId: receipt.turn_id };
  };
  const key = "agent:main:chain:1";
  const one = await shownAt(key, "one");
  const two = await shownAt(key, "two");
  const whole = ["one", "re: one", "two", "re: two"];
  const sourceSessionId = one.sessionId;

  const fork = "agent:main:chain:fork";
  await asRunner.resolveSession({ name: { case: "rawKey", value: fork } });
  await rotate(fork, "FORK", { sourceSessionId });
  const forked = await shownAt(fork, "here");
  expect(forked.lines).toEqual([...whole, "here"]);
  // A fork of the fork is read through both.
  const deeper = "agent:main:chain:deeper";
  await asRunner.resolveSession({ name: { case: "rawKey", value: deeper } });
  await rotate(deeper, "FORK", { sourceSessionId: forked.sessionId });
  const { lines } = await shownAt(deeper, "and here");
  expect(lines).toEqual([...whole, "here", "re: here", "and here"]);

  await rotate(key, "REPLAY", { sourceSessionId, sourceThroughTurnId: one.turnId });
  const replayed = await shownAt(key, "again");
  expect(replayed.lines).toEqual(["one", "re: one", "again"]);
  await reset(key);
  expect((await shownAt(key, "fresh")).lines).toEqual(["fresh"]);
  const restored = await rotate(key, "RESTORE", { sourceSessionId });
  const back = await shownAt(key, "back");
  expect(back).toMatchObject({ lines: [...whole, "back"], sessionId: restored });
  expect(restored).not.toBe(two.sessionId);
});
