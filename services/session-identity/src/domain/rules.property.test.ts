import fc from "fast-check";
import { expect, test } from "vitest";
import {
  beginCommand,
  ended,
  KEY,
  progress,
  rotateCommand,
  runId,
  sending,
  settled,
} from "../testing/commands.ts";
import { Desk } from "../testing/desk.ts";
import type { Fence, SettledState } from "./records.ts";
import { isRefusal, type Refusal } from "./refusal.ts";

/** What anybody may try, in any order. Numbers pick runs, replies and old fences. */
type Step =
  | { readonly do: "begin"; readonly run: number; readonly person: boolean }
  | { readonly do: "progress"; readonly fence: number; readonly seq: number }
  | { readonly do: "end"; readonly fence: number }
  | { readonly do: "compact"; readonly fence: number }
  | { readonly do: "rotate"; readonly skip: boolean; readonly suppress: boolean }
  | { readonly do: "send"; readonly reply: number }
  | { readonly do: "settle"; readonly reply: number; readonly state: SettledState }
  | { readonly do: "wait"; readonly ms: number };

const few = fc.nat({ max: 4 });
const settledState = fc.constantFrom<SettledState>("sent", "failed", "unknown", "suppressed_stale");
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ do: fc.constant("begin" as const), run: few, person: fc.boolean() }),
  fc.record({
    do: fc.constant("progress" as const),
    fence: fc.nat(),
    seq: fc.integer({ min: 1, max: 6 }),
  }),
  fc.record({ do: fc.constant("end" as const), fence: fc.nat() }),
  fc.record({ do: fc.constant("compact" as const), fence: fc.nat() }),
  fc.record({ do: fc.constant("rotate" as const), skip: fc.boolean(), suppress: fc.boolean() }),
  fc.record({ do: fc.constant("send" as const), reply: few }),
  fc.record({ do: fc.constant("settle" as const), reply: few, state: settledState }),
  fc.record({ do: fc.constant("wait" as const), ms: fc.constantFrom(1_000, 16_000, 120_000) }),
);

/** Who holds the right to write, told apart from how the rules keep it. */
interface Holder {
  readonly runId: string;
  readonly epoch: bigint;
  readonly generations: Set<bigint>;
}

class World {
  readonly desk = new Desk();
  readonly fences: Fence[] = [];
  readonly accepted = new Map<string, unknown>();
  readonly fate = new Map<string, "ended" | "rotated" | "taken_over">();
  holder: Holder | undefined;

  constructor() {
    this.desk.policy = { idleAfterMs: 60_000, dailyAt: "", timeZone: "UTC" };
    this.desk.reserve();
  }

  take(next: Step): void {
    switch (next.do) {
      case "begin":
        return this.#begin(next.run, next.person);
      case "progress":
        return this.#withFence(next.fence, (fence) => this.#progress(fence, BigInt(next.seq)));
      case "end":
        return this.#withFence(next.fence, (fence) => this.#end(fence));
      case "compact":
        return this.#withFence(next.fence, (fence) => this.#compact(fence));
      case "rotate":
        return this.#rotate(next.skip, next.suppress);
      case "send":
        return this.#send(next.reply);
      case "settle":
        return this.#settle(next.reply, next.state);
      case "wait":
        this.desk.nowMs += next.ms;
    }
  }

  #begin(run: number, person: boolean): void {
    const turnClass = person ? "person" : "system";
    const { generation } = this.desk.standing.session;
    const change = {
      turnClass,
      acceptMs: this.desk.nowMs,
      admittedGeneration: generation,
    } as const;
    const seen = this.desk.runs.has(runId(run));
    const answer = this.desk.begin(beginCommand(run, change));
    if (isRefusal(answer)) return this.#checkRefusedBegin(answer, runId(run));
    if (seen) {
      expect(this.holder?.runId).toBe(runId(run));
      return;
    }
    const { fence, takenOver } = answer;
    expect(takenOver?.runId).toBe(this.holder?.runId);
    if (this.holder !== undefined) this.fate.set(this.holder.runId, "taken_over");
    const { epoch, generations } = {
      epoch: fence.runEpoch,
      generations: new Set([fence.generation]),
    };
    this.holder = { runId: fence.runId, epoch, generations };
    this.fences.push(fence);
  }

  #checkRefusedBegin({ reason }: Refusal, id: string): void {
    const fate = this.fate.get(id);
    if (fate === undefined) expect(reason).toBe("SESSION_BUSY");
    else expect(reason).toBe(REASON_OF[fate]);
  }

  /** Accepted exactly while the run holds the key with a generation that it has held. */
  #progress(fence: Fence, seq: bigint): void {
    const name = `${fence.runId} ${seq}`;
    const answer = this.desk.writeRun(progress(fence, seq));
    if (this.accepted.has(name)) {
      expect(answer).toEqual(this.accepted.get(name));
    } else if (this.#holds(fence)) {
      expect(isRefusal(answer)).toBe(false);
      if (!isRefusal(answer) && answer.applied) this.accepted.set(name, answer);
    } else {
      expect(answer).toMatchObject({ reason: REASON_OF[this.fate.get(fence.runId) ?? "ended"] });
    }
  }

  #end(fence: Fence): void {
    const name = `${fence.runId} end`;
    const answer = this.desk.writeRun(ended(fence));
    if (this.accepted.has(name)) {
      expect(answer).toEqual(this.accepted.get(name));
    } else if (this.#holds(fence)) {
      expect(isRefusal(answer)).toBe(false);
      this.accepted.set(name, answer);
      this.fate.set(fence.runId, "ended");
      this.holder = undefined;
    } else {
      expect(answer).toMatchObject({ reason: REASON_OF[this.fate.get(fence.runId) ?? "ended"] });
    }
  }

  #compact(fence: Fence): void {
    const precondition = { kind: "owner", fence } as const;
    const answer = this.desk.rotate(
      rotateCommand({ reason: "compaction", precondition, pendingReplies: "deliver" }),
    );
    expect(isRefusal(answer)).toBe(!this.#holds(fence));
    if (isRefusal(answer) || answer.fence === undefined) return;
    expect(answer.fence).toMatchObject({ runId: fence.runId, runEpoch: fence.runEpoch });
    this.holder?.generations.add(answer.fence.generation);
    this.fences.push(answer.fence);
  }

  #rotate(skip: boolean, suppress: boolean): void {
    const queuedTurns = skip ? "skip" : "carry";
    const pendingReplies = suppress ? "suppress" : "deliver";
    const answer = this.desk.rotate(rotateCommand({ queuedTurns, pendingReplies }));
    expect(isRefusal(answer)).toBe(false);
    if (this.holder !== undefined) this.fate.set(this.holder.runId, "rotated");
    this.holder = undefined;
  }

  #send(reply: number): void {
    const { sessionId, generation, oldestDeliverable } = this.desk.standing.session;
    const known = this.desk.replies.get(`d${reply}`);
    const shown = known?.generation ?? generation;
    const fence = {
      sessionKey: KEY,
      sessionId,
      generation: shown,
      turnId: "t",
      deliveryId: `d${reply}`,
    };
    const answer = this.desk.writeReply(sending(fence, BigInt(this.desk.events.size + 1)));
    if (shown < oldestDeliverable) expect(answer).toMatchObject({ reason: "STALE_GENERATION" });
    else if (known?.state === "sent") expect(answer).toMatchObject({ reason: "SUPERSEDED" });
    else expect(isRefusal(answer)).toBe(false);
  }

  #settle(reply: number, told: SettledState): void {
    const known = this.desk.replies.get(`d${reply}`);
    if (known === undefined) return;
    const { sessionId } = this.desk.standing.session;
    const fence = {
      sessionKey: KEY,
      sessionId,
      turnId: "t",
      deliveryId: known.deliveryId,
      generation: known.generation,
    };
    const seq = BigInt(this.desk.events.size + 1);
    expect(isRefusal(this.desk.writeReply(settled(fence, seq, told)))).toBe(false);
    const { state } = this.desk.replies.get(known.deliveryId) ?? {};
    if (known.state === "sent") expect(state).toBe("sent");
    else if (told === "suppressed_stale" && known.claimed) expect(state).toBe("unknown");
    else expect(state).toBe(told);
  }

  #holds(fence: Fence): boolean {
    const { holder } = this;
    if (holder?.runId !== fence.runId || holder.epoch !== fence.runEpoch) return false;
    return holder.generations.has(fence.generation);
  }

  #withFence(index: number, work: (fence: Fence) => void): void {
    const fence = this.fences[index % Math.max(1, this.fences.length)];
    if (fence !== undefined) work(fence);
  }
}

const REASON_OF = { ended: "RUN_ENDED", rotated: "STALE_GENERATION", taken_over: "TAKEN_OVER" };

test("numbers only grow, ids are never reused, and exactly the holder may write", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60, size: "max" }), (steps) => {
      const world = new World();
      for (const next of steps) {
        const before = world.desk.standing;
        world.take(next);
        checkGrowth(before.session, world.desk.standing.session);
        expect(world.desk.state.revision).toBeGreaterThanOrEqual(before.revision);
        expect(world.desk.state.revision).toBeLessThanOrEqual(before.revision + 1n);
      }
      const ids = world.desk.sessionIds;
      expect(new Set(ids).size).toBe(ids.length);
      expect(ids.length).toBe(Number(world.desk.standing.session.generation));
      expect(world.desk.standing.session.activeRun?.runId).toBe(world.holder?.runId);
    }),
    { numRuns: 300 },
  );
});

type Numbers = Desk["standing"]["session"];

function checkGrowth(before: Numbers, after: Numbers): void {
  for (const name of ["generation", "runEpoch", "oldestRunnable", "oldestDeliverable"] as const) {
    expect(after[name]).toBeGreaterThanOrEqual(before[name]);
  }
  expect(after.oldestRunnable).toBeLessThanOrEqual(after.generation);
  expect(after.oldestDeliverable).toBeLessThanOrEqual(after.generation);
  expect(after.sessionId === before.sessionId).toBe(after.generation === before.generation);
}
