import { randomUUID } from "node:crypto";
import { type Fence, RotationReason } from "@lanekeeper/protocol/lanekeeper/identity/v1/session";
import { systemIds } from "@lanekeeper/service";
import { expect, test } from "vitest";
import type { Db } from "../store/db.ts";
import { atEnd, begin, newTenant } from "../testing/calls.ts";
import { testDatabase } from "../testing/database.ts";
import { directDoor } from "../testing/drive/direct-door.ts";
import type { Door } from "../testing/drive/door.ts";
import { outcome, raw } from "../testing/drive/race.ts";
import { startReplica, testContext } from "../testing/identity.ts";
import { byRun, ended, progress, reset } from "../testing/pair.ts";

/** Replicas that begin and end runs of the same keys, by memory where it serves, while others disturb them. */
const database = testDatabase();
const KEYS = ["a", "b", "c"].map((name) => `agent:main:${name}`);
const CALLERS = 5;
const TURNS_EACH = 40;
/** A turn of each so many is disturbed. */
const DISTURBED = 4;

interface Granted {
  readonly begun: Fence[];
  readonly ended: string[];
}

async function startRaced() {
  const doors = [0, 1].map(() => {
    const context = testContext(database.open(6));
    atEnd(async () => {
      await context[Symbol.asyncDispose]();
    });
    return directDoor(context);
  });
  const tenant = await newTenant((await startReplica(database.open())).client("cli"));
  const at = (n: number): Door => doors[n % doors.length] as Door;
  for (const key of KEYS) await at(0).ingress.resolveSession(raw(key), { tenant });
  return { tenant, at };
}

type Raced = Awaited<ReturnType<typeof startRaced>>;

/** The answer; undefined: it was refused. */
async function granted<T>(work: Promise<T>): Promise<T | undefined> {
  const answer = await outcome(work);
  return typeof answer === "string" ? undefined : (answer as T);
}

/** One caller's turns, mostly at one replica; every number picks another way to go about it. */
async function calls(raced: Raced, caller: number, done: Granted): Promise<void> {
  const { tenant, at } = raced;
  for (let n = 0; n < TURNS_EACH; n += 1) {
    const key = KEYS[(caller + n) % KEYS.length] as string;
    const home = at(n % 7 === 0 ? caller + 1 : caller);
    const ids = { runId: systemIds.uuid(), turnId: randomUUID() };
    const asked = begin(key, { ...ids, admittedGeneration: 2n ** 40n });
    const beginning = () => granted(home.runner.beginRun(asked, { tenant }));
    const answers = await Promise.all(n % 5 === 0 ? [beginning(), beginning()] : [beginning()]);
    const fence = answers.find((answer) => answer !== undefined)?.fence;
    if (fence === undefined) continue;
    done.begun.push(fence);
    if (n % DISTURBED === 0) await disturb(raced, caller + n, fence);
    const end = { ...byRun(fence), event: ended };
    const endings = [home, ...(n % 6 === 0 ? [at(caller + 1)] : [])].map((door) =>
      granted(door.runner.writeLifecycle(end, { tenant })),
    );
    const [first, second] = await Promise.all(endings);
    if (first !== undefined || second !== undefined) done.ended.push(fence.runId);
  }
}

async function disturb({ tenant, at }: Raced, n: number, fence: Fence): Promise<void> {
  const key = fence.session?.sessionKey ?? "";
  const { runner, ingress } = at(n + 1);
  switch (n % 4) {
    case 0:
      await granted(
        runner.writeLifecycle({ ...byRun(fence), eventSeq: 1n, event: progress }, { tenant }),
      );
      return;
    case 1:
      await granted(ingress.rotateSession(reset(key), { tenant }));
      return;
    case 2: {
      const owner = { case: "owner", value: fence } as const;
      const compaction = { reason: RotationReason.COMPACTION, precondition: owner };
      await granted(runner.rotateSession(reset(key, compaction), { tenant }));
      return;
    }
    default: {
      const loser = `agent:main:${randomUUID()}`;
      await ingress.resolveSession(raw(loser), { tenant });
      const keys = { sessionKey: loser, survivorSessionKey: key };
      await granted(ingress.mergeSessions({ requestId: randomUUID(), ...keys }, { tenant }));
    }
  }
}

interface Row {
  readonly revision: bigint;
  readonly run_epoch: bigint;
  readonly active_run_id: string | null;
}

interface Line {
  readonly operation: string;
  readonly reason: string;
}

async function historyOf(db: Db, tenant: string, key: string) {
  const read = async <R>(text: string): Promise<readonly R[]> =>
    (await db.query<R>(text, [tenant, key])).rows;
  const where = "where tenant = $1 and session_key = $2";
  const [row] = await read<Row>(`select * from session_keys ${where}`);
  if (row === undefined) throw new Error("the key is there");
  return {
    row,
    runs: await read<{ run_id: string; run_epoch: bigint; state: string }>(
      `select * from runs ${where} order by run_epoch`,
    ),
    revisions: await read<{ revision: string }>(
      `select state->>'revision' as revision from session_changes ${where} order by change_id`,
    ),
    journal: await read<Line>(`select * from journal ${where} and accepted order by entry_id`),
  };
}

test("whoever races, each key has one history: its runs, what is told of them and the journal agree", async () => {
  const raced = await startRaced();
  const done: Granted = { begun: [], ended: [] };
  await Promise.all(Array.from({ length: CALLERS }, (_, caller) => calls(raced, caller, done)));
  const db = database.open();
  for (const key of KEYS) {
    const { row, runs, revisions, journal } = await historyOf(db, raced.tenant, key);
    const own = done.begun.filter(({ session }) => session?.sessionKey === key);
    expect(own.length).toBeGreaterThan(0);
    expect(runs.map((run) => run.run_epoch)).toEqual(runs.map((_, n) => BigInt(n + 1)));
    expect(row.run_epoch).toBe(BigInt(runs.length));
    const begun = own.map(({ runId, runEpoch }) => [runEpoch, runId]);
    expect(runs.map((run) => [run.run_epoch, run.run_id])).toEqual(
      begun.toSorted(([one], [other]) => Number(one) - Number(other)),
    );
    const inState = (state: string) =>
      runs.filter((run) => run.state === state).map(({ run_id: id }) => id);
    expect(inState("active")).toEqual(row.active_run_id === null ? [] : [row.active_run_id]);
    const ids = new Set(runs.map(({ run_id: id }) => id));
    expect(inState("ended").toSorted()).toEqual(done.ended.filter((id) => ids.has(id)).toSorted());
    expect(revisions.map(({ revision }) => BigInt(revision))).toEqual(
      revisions.map((_, n) => BigInt(n + 1)),
    );
    expect(row.revision).toBe(BigInt(revisions.length));
    expectOneHolder(journal);
    const count = (what: string) => journal.filter(({ operation }) => operation === what).length;
    expect(count("begin_run")).toBe(runs.length);
    expect(count("run_ended")).toBe(inState("ended").length);
  }
});

/** A run takes a free key, and one that ends held it. */
function expectOneHolder(journal: readonly Line[]): void {
  let isHeld = false;
  for (const { operation, reason } of journal) {
    if (operation === "begin_run" || operation === "run_ended") {
      expect(isHeld, operation).toBe(operation === "run_ended");
      isHeld = operation === "begin_run";
    }
    if (operation === "rotate" && reason === "RESET") isHeld = false;
  }
}
