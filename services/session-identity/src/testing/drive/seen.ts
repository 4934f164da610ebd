import type {
  ResolveSessionResponse,
  RotateSessionResponse,
} from "@lanekeeper/protocol/lanekeeper/identity/v1/identity_service";
import type {
  BeginRunResponse,
  CheckFenceResponse,
  WriteLifecycleResponse,
} from "@lanekeeper/protocol/lanekeeper/identity/v1/lifecycle";
import {
  type Session,
  type SessionRef,
  SessionBusySchema,
  type StaleFence,
  StaleFenceSchema,
} from "@lanekeeper/protocol/lanekeeper/identity/v1/session";
import type { LanekeeperError, Reason } from "@lanekeeper/rpc";
import type { Told } from "../../model/calls.ts";
import type { SessionIds } from "./session-ids.ts";

/** What the service answered, in the model's words. */
export interface Seen {
  /** Undefined: granted. */
  readonly reason: Reason | undefined;
  readonly tells: Told;
  /** The whole message, for repeats to be compared with. */
  readonly whole: unknown;
}

/** Puts answers into the model's words, and learns the ids that they name. */
export class Shower {
  readonly #tenant: string;
  readonly #ids: SessionIds;

  constructor(tenant: string, ids: SessionIds) {
    this.#tenant = tenant;
    this.#ids = ids;
  }

  resolved(answer: ResolveSessionResponse): Seen {
    return granted(this.#session(answer.session), answer);
  }

  checked(answer: CheckFenceResponse): Seen {
    return granted(this.#session(answer.session), answer);
  }

  begun(answer: BeginRunResponse): Seen {
    this.#session(answer.session);
    const { session, runId: run = "", runEpoch = 0n } = answer.fence ?? {};
    const tells = {
      ...{ generation: this.#learn(session), run, epoch: Number(runEpoch) },
      ...{ takenOver: answer.takenOver?.runId ?? "", rolledOver: answer.rolledOver !== undefined },
    };
    return granted(tells, answer);
  }

  written(answer: WriteLifecycleResponse): Seen {
    return granted({ applied: answer.applied }, answer);
  }

  rotated(answer: RotateSessionResponse): Seen {
    const { rotation, fence, endedRun } = answer;
    if (fence !== undefined) this.#learn(fence.session);
    const previous = this.#learn(rotation?.previous);
    const parent = rotation?.parentSessionId === "" ? 0 : previous;
    if (parent !== 0 && rotation?.parentSessionId !== rotation?.previous?.sessionId) {
      throw new Error("the parent is not the predecessor");
    }
    const generation = this.#learn(rotation?.current);
    const perhapsSent = rotation?.perhapsSentCount ?? 0;
    const tells = { previous, generation, parent, perhapsSent, ended: endedRun?.runId ?? "" };
    return granted({ ...tells, owner: fence !== undefined }, answer);
  }

  #session(session: Session | undefined): Told {
    if (session === undefined) throw new Error("the answer shows a session");
    return {
      ...{ generation: this.#learn(session.ref), run: session.activeRun?.runId ?? "" },
      epoch: Number(session.runEpoch),
      oldestRunnable: Number(session.oldestRunnableGeneration),
      oldestDeliverable: Number(session.oldestDeliverableGeneration),
    };
  }

  #learn(ref: SessionRef | undefined): number {
    this.#ids.learn(this.#tenant, ref);
    return Number(ref?.generation ?? 0n);
  }
}

function granted(tells: Told, whole: unknown): Seen {
  return { reason: undefined, tells, whole };
}

/** The typed details of a refusal, else its metadata. */
export function seenRefusal(error: LanekeeperError): Seen {
  const { reason, metadata } = error;
  const stale = error.detail(StaleFenceSchema);
  const busy = error.detail(SessionBusySchema);
  const outcome = metadata["outcome"]?.toLowerCase();
  const tells = {
    ...(outcome === undefined ? {} : { outcome }),
    ...(busy === undefined ? {} : { holder: busy.holder?.runId ?? "" }),
    ...(stale === undefined ? {} : staleTells(stale)),
  };
  return { reason, tells, whole: undefined };
}

function staleTells({ current, cause }: StaleFence): Told {
  return {
    generation: Number(current?.session?.generation ?? 0n),
    run: current?.runId ?? "",
    epoch: Number(current?.runEpoch ?? 0n),
    ...(cause === undefined ? {} : { cause: Number(cause.current?.generation ?? 0n) }),
  };
}
