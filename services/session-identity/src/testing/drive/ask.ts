import { durationFromMs, timestampFromMs } from "@bufbuild/protobuf/wkt";
import { ReplyState, TurnClass } from "@lanekeeper/protocol/lanekeeper/identity/v1/lifecycle";
import {
  PendingReplies,
  QueuedTurns,
  RotationReason,
  RunOutcome,
} from "@lanekeeper/protocol/lanekeeper/identity/v1/session";
import { hasReason } from "@lanekeeper/rpc";
import type {
  BeginCall,
  Call,
  ReplyCall,
  RotateCall,
  RunCall,
  ShownReply,
  ShownRun,
} from "../../model/calls.ts";
import { LEASE_MS } from "../../model/facts.ts";
import type { Door } from "./door.ts";
import type { SessionIds } from "./session-ids.ts";
import { type Seen, seenRefusal, Shower } from "./seen.ts";

const REASON_OF = {
  reset: RotationReason.RESET,
  compaction: RotationReason.COMPACTION,
  migration: RotationReason.MIGRATION,
};

/** Asks the service what the model was asked. */
export class Asker {
  readonly #tenant: string;
  readonly #ids: SessionIds;
  readonly #show: Shower;
  readonly #nowMs: () => number;

  /** `nowMs`: of the clock that the service's database shows. */
  constructor(tenant: string, ids: SessionIds, nowMs: () => number) {
    this.#tenant = tenant;
    this.#ids = ids;
    this.#show = new Shower(tenant, ids);
    this.#nowMs = nowMs;
  }

  async ask(door: Door, call: Call): Promise<Seen> {
    try {
      return await this.#send(door, call);
    } catch (error) {
      if (!hasReason(error)) throw error;
      return seenRefusal(error);
    }
  }

  async #send(door: Door, call: Call): Promise<Seen> {
    const options = { tenant: this.#tenant, principal: "alice" };
    switch (call.do) {
      case "reserve":
      case "resolve": {
        const name = { case: "rawKey", value: call.key } as const;
        return this.#show.resolved(await door.ingress.resolveSession({ name }, options));
      }
      case "begin":
        return this.#show.begun(await door.runner.beginRun(this.#begin(call), options));
      case "started":
      case "progress":
      case "ended":
        return this.#show.written(await door.runner.writeLifecycle(this.#event(call), options));
      case "rotate":
        return this.#show.rotated(await door.ingress.rotateSession(this.#rotate(call), options));
      case "sending":
      case "settled":
        return this.#show.written(await door.delivery.writeLifecycle(this.#reply(call), options));
      case "check_run": {
        const writer = { case: "run", value: this.#fence(call.shown) } as const;
        return this.#show.checked(await door.runner.checkFence({ writer }, options));
      }
      case "check_reply": {
        const writer = { case: "reply", value: this.#replyFence(call.shown) } as const;
        return this.#show.checked(await door.delivery.checkFence({ writer }, options));
      }
    }
  }

  #ref(key: string, generation: number) {
    const sessionId = this.#ids.of(this.#tenant, key, generation);
    return { sessionKey: key, sessionId, generation: BigInt(generation) };
  }

  #fence({ key, generation, run, epoch }: ShownRun) {
    return { session: this.#ref(key, generation), runId: run, runEpoch: BigInt(epoch) };
  }

  #replyFence({ key, generation, turn, delivery }: ShownReply) {
    return { session: this.#ref(key, generation), turnId: turn, deliveryId: delivery };
  }

  #begin(call: BeginCall) {
    return {
      ...{ sessionKey: call.key, turnId: call.turn, runId: call.run },
      admittedGeneration: BigInt(call.admitted),
      admittedSessionId: this.#ids.known(this.#tenant, call.key, call.admitted) ?? "",
      requiredGeneration: BigInt(call.required ?? 0),
      leaseDuration: durationFromMs(LEASE_MS),
      acceptTime: timestampFromMs(this.#nowMs()),
      turnClass: call.person ? TurnClass.PERSON : TurnClass.SYSTEM,
    };
  }

  #event({ do: kind, shown, seq, says }: RunCall) {
    const writer = { case: "run", value: this.#fence(shown) } as const;
    const base = { writer, eventSeq: BigInt(seq) };
    if (kind === "started")
      return { ...base, event: { case: kind, value: { model: says } } as const };
    if (kind === "progress") {
      return { ...base, event: { case: kind, value: { phase: says } } as const };
    }
    const outcome = says === "completed" ? RunOutcome.COMPLETED : RunOutcome.FAILED;
    return { ...base, event: { case: kind, value: { outcome } } as const };
  }

  #rotate(call: RotateCall) {
    return {
      ...{ requestId: call.request, sessionKey: call.key, reason: REASON_OF[call.reason] },
      precondition: this.#precondition(call.when),
      queuedTurns: call.skip ? QueuedTurns.SKIP : QueuedTurns.CARRY,
      pendingReplies: call.suppress ? PendingReplies.SUPPRESS : PendingReplies.DELIVER,
    };
  }

  #precondition(when: RotateCall["when"]) {
    if (when === "always") return { case: undefined } as const;
    if ("owner" in when) return { case: "owner", value: this.#fence(when.owner) } as const;
    return { case: "expectedGeneration", value: BigInt(when.generation) } as const;
  }

  #reply(call: ReplyCall) {
    const writer = { case: "reply", value: this.#replyFence(call.shown) } as const;
    const base = { writer, eventSeq: BigInt(call.seq) };
    if (call.do === "sending") {
      return { ...base, event: { case: "sending", value: { attempt: 1 } } as const };
    }
    const state = ReplyState[call.state.toUpperCase() as Uppercase<typeof call.state>];
    return { ...base, event: { case: "settled", value: { state } } as const };
  }
}
