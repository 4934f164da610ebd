import { randomUUID } from "node:crypto";
import { create } from "@bufbuild/protobuf";
import { Role } from "@lanekeeper/protocol/lanekeeper/runner/v1/message";
import { OriginSchema } from "@lanekeeper/protocol/lanekeeper/runner/v1/turn";
import { textMessage } from "../domain/context.ts";
import { type Ending, endingWithoutReply } from "../domain/ending.ts";
import type { NewLaneTurn } from "../store/admission/new-turn.ts";
import type { TurnSteps } from "../store/runs/turn-steps.ts";

export const TENANT = "t1";

export function newTurn(sessionKey: string, turnClass = 1): NewLaneTurn {
  const turnId = randomUUID();
  return {
    ...{ tenant: TENANT, principal: "p1", turnId, agentId: "main", turnClass, onConflict: 1 },
    session: { sessionKey, sessionId: "s1", generation: 1n },
    requiredGeneration: 0n,
    idempotencyKey: turnId,
    fingerprint: new Uint8Array([1]),
    ...{ keyIsGenerated: false, clientRetryCount: 0, requestId: "r", traceId: "", traceparent: "" },
    origin: create(OriginSchema),
    ...{
      routeId: "",
      maxWaitMs: undefined,
      parameters: "{}",
      parentTurnId: undefined,
      callChain: [],
    },
    messages: [textMessage(Role.USER, "hi")],
  };
}

/** How most turns are admitted. */
export const HOW = { seed: [], front: false, mayWait: true, maxWaiting: 200, replica: "a" };

/** Turns that are stored without anybody who runs them. */
export class StoredTurns {
  readonly #steps: TurnSteps;
  #lanes = 0;

  constructor(steps: TurnSteps) {
    this.#steps = steps;
  }

  /** Of a lane that nobody else has. */
  laneKey(): string {
    this.#lanes += 1;
    return `agent:main:lane${this.#lanes}`;
  }

  async admit(turn: NewLaneTurn, claimRunId?: string, front = false) {
    const admission = { ...HOW, input: turn.messages, claimRunId, front };
    const admitted = await this.#steps.admit({ turn, admission });
    if (admitted === undefined) throw new Error("refused");
    return admitted;
  }

  /** A turn that is active under a run, in a lane of its own. */
  async activeTurn(fields: Partial<NewLaneTurn> = {}) {
    const turn = { ...newTurn(this.laneKey()), ...fields };
    const runId = randomUUID();
    await this.admit(turn, runId);
    const { sessionKey } = turn.session;
    const held = { tenant: TENANT, sessionKey, turnId: turn.turnId, runId };
    const granted = { ...held, sessionId: "s1", generation: 1n, runEpoch: 1n, replica: "a" };
    await this.#steps.activate(granted);
    return { turn, held, granted };
  }
}

export const failed: Ending = endingWithoutReply(
  "FAILED",
  { reason: "MODEL_FAILED", message: "no" },
  { keepsInput: true, seeds: false },
);

export function completed(text: string): Ending {
  const reply = textMessage(Role.ASSISTANT, text);
  return {
    ...failed,
    state: "COMPLETED",
    errorReason: "",
    errorMessage: "",
    reply,
    produced: [reply],
  };
}
