import { decideBegin, type BeginAnswer, type BeginCommand } from "../domain/begin-run.ts";
import type { Decision, Effects, Now } from "../domain/decision.ts";
import type { FreshnessPolicy } from "../domain/freshness.ts";
import type { KeyState, StandingKey } from "../domain/key-state.ts";
import { hasSession } from "../domain/key-state.ts";
import type {
  EventRecord,
  ReplyRecord,
  Rotation,
  RunRecord,
  WriteAnswer,
} from "../domain/records.ts";
import type { Refusal } from "../domain/refusal.ts";
import { decideReserve } from "../domain/reserve.ts";
import { decideRotate, type RotateAnswer, type RotateCommand } from "../domain/rotate.ts";
import { decideWriteReply, type WriteReplyCommand } from "../domain/write-reply.ts";
import { decideWriteRun, type WriteRunCommand } from "../domain/write-run.ts";
import { blankKey } from "./states.ts";

/** One key in memory: what the engine does with the rules, without a database. */
export class Desk {
  nowMs = 1_000_000;
  /** Long ago, unless a test restarts the database. */
  postmasterStartMs = -1_000_000_000;
  policy: FreshnessPolicy | undefined;
  /** Set once fences were raised. */
  runIdsFromMs: number | undefined;
  state: KeyState = blankKey();
  readonly runs = new Map<string, RunRecord>();
  readonly events = new Map<string, EventRecord>();
  readonly replies = new Map<string, ReplyRecord>();
  readonly rotations: Rotation[] = [];
  readonly sessionIds: string[] = [];
  #ids = 0;

  get standing(): StandingKey {
    if (!hasSession(this.state)) throw new Error("no session stands here yet");
    return this.state;
  }

  get now(): Now {
    return { ms: this.nowMs, postmasterStartMs: this.postmasterStartMs };
  }

  reserve(): void {
    const facts = { nowMs: this.nowMs, state: this.state, newSessionId: this.#id(), principal: "" };
    const floors = { generationFloor: 0n, epochFloor: 0n, revisionFloor: 0n };
    const { sessionKey } = this.state;
    const command = { sessionKey, internal: false, rawKey: "chat", mintedMs: undefined };
    this.#apply(decideReserve(command, { ...facts, ...floors }));
  }

  begin(command: BeginCommand): BeginAnswer | Refusal {
    return this.#apply(
      decideBegin(command, {
        ...{ now: this.now, state: this.state, run: this.runs.get(command.runId) },
        ...{ activeRun: this.#activeRun(), policy: this.policy, sendingCount: this.#sending() },
        ...{ newSessionId: this.#id(), principal: "runner", runIdsFromMs: this.runIdsFromMs },
      }),
    );
  }

  writeRun(command: WriteRunCommand): WriteAnswer | Refusal {
    const { fence, eventSeq } = command;
    const recorded = this.events.get(`run ${fence.runId} ${eventSeq}`);
    const run = this.runs.get(fence.runId);
    return this.#apply(
      decideWriteRun(command, { now: this.now, state: this.state, run, recorded }),
    );
  }

  writeReply(command: WriteReplyCommand): WriteAnswer | Refusal {
    const { deliveryId } = command.fence;
    const recorded = this.events.get(`reply ${deliveryId} ${command.eventSeq}`);
    const facts = { nowMs: this.nowMs, state: this.state, reply: this.replies.get(deliveryId) };
    return this.#apply(decideWriteReply(command, { ...facts, recorded }));
  }

  rotate(
    command: RotateCommand,
    source?: { sessionKey: string; agentId: string },
  ): RotateAnswer | Refusal {
    const { precondition } = command;
    const run = precondition.kind === "owner" ? this.runs.get(precondition.fence.runId) : undefined;
    return this.#apply(
      decideRotate(command, {
        ...{ nowMs: this.nowMs, state: this.state, run, activeRun: this.#activeRun(), source },
        ...{ sendingCount: this.#sending(), newSessionId: this.#id(), principal: "alice" },
      }),
    );
  }

  #activeRun(): RunRecord | undefined {
    return this.runs.get(this.state.session?.activeRun?.runId ?? "");
  }

  #sending(): number {
    return [...this.replies.values()].filter(({ state }) => state === "sending").length;
  }

  #id(): string {
    this.#ids += 1;
    return `00000000-0000-7000-8000-${String(this.#ids).padStart(12, "0")}`;
  }

  #apply<Answer>(decision: Decision<Answer>): Answer | Refusal {
    if ("refusal" in decision) return decision.refusal;
    this.#keep(decision.effects);
    return decision.answer;
  }

  #keep(effects: Effects): void {
    this.state = effects.state ?? this.state;
    for (const run of [...(effects.newRuns ?? []), ...(effects.runs ?? [])]) {
      this.runs.set(run.runId, run);
    }
    for (const event of effects.events ?? []) {
      this.events.set(`${event.writerKind} ${event.writerId} ${event.eventSeq}`, event);
    }
    for (const reply of [...(effects.newReplies ?? []), ...(effects.replies ?? [])]) {
      this.replies.set(reply.deliveryId, reply);
    }
    for (const begun of effects.generations ?? []) {
      this.sessionIds.push(begun.sessionId);
      if ("reason" in begun) this.rotations.push(begun);
    }
  }
}
