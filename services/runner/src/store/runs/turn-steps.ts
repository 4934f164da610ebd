import { type Batcher, createBatcher, isUnavailable } from "@lanekeeper/postgres";
import { LIMITS } from "../../limits.ts";
import { activateAll, type Begun, type GrantedRun } from "./activate.ts";
import type { Held } from "../lanes/claim-head.ts";
import { type EndOfTurn, finishAll, type Finished } from "./finish.ts";
import { type Admitted, insertLaneTurns, lotOf } from "../admission/insert-lane-turn.ts";
import type { LaneAdmission } from "../admission/new-turn.ts";
import { type EndingOfRun, prepareAll, type PrepareResult } from "./prepare.ts";
import { type Recent, type RecentOf, readRecentOfAll } from "../answering/read-recent.ts";
import { appendEventsOfAll, type ChunkOfTurn } from "../attaching/turn-events.ts";
import { type HeldTurn, renewAll } from "./renew.ts";
import type { Sql } from "../sql.ts";
import { laneName } from "../../domain/lane-name.ts";

/**
 * The four writes of every turn, its one read, its renewals and what is told of it, each in groups: those that arrive
 * while a statement is in flight go together in the next, so that one round trip and one flush to disk serve all of
 * them. A lane has one call in a statement, save that turns which merely wait are admitted together. Each turn hangs on
 * its own compare-and-set, so that one that is refused takes nothing from the others; where a statement as a whole
 * fails, its turns are tried one by one.
 */
export class TurnSteps {
  readonly #admit: Batcher<LaneAdmission, Admitted | undefined>;
  readonly #activate: Batcher<GrantedRun, Begun | undefined>;
  readonly #prepare: Batcher<EndingOfRun, PrepareResult>;
  readonly #finish: Batcher<EndOfTurn, Finished | undefined>;
  readonly #recent: Batcher<RecentOf, Recent>;
  readonly #renew: Batcher<HeldTurn, boolean>;
  readonly #append: Batcher<ChunkOfTurn, undefined>;

  constructor(sql: Sql) {
    const { admissionsInFlight, stepsInFlight } = LIMITS;
    this.#admit = batcherOf(
      (turns: readonly LaneAdmission[]) => insertLaneTurns(sql, turns),
      ({ turn }) => laneName(turn.tenant, turn.session.sessionKey),
      admissionsInFlight,
      lotOf,
    );
    this.#activate = batcherOf(
      (runs: readonly GrantedRun[]) => activateAll(sql, runs),
      laneOf,
      stepsInFlight,
    );
    this.#prepare = batcherOf(
      (ends: readonly EndingOfRun[]) => prepareAll(sql, ends),
      ofHeld,
      stepsInFlight,
    );
    this.#finish = batcherOf(
      (ends: readonly EndOfTurn[]) => finishAll(sql, ends),
      ofHeld,
      stepsInFlight,
    );
    this.#recent = batcherOf(
      (asked: readonly RecentOf[]) => readRecentOfAll(sql, asked),
      undefined,
      stepsInFlight,
    );
    this.#renew = batcherOf(
      (held: readonly HeldTurn[]) => renewAll(sql, held),
      ({ turnId }) => turnId,
      stepsInFlight,
    );
    this.#append = batcherOf(
      async (chunks: readonly ChunkOfTurn[]) => {
        await appendEventsOfAll(sql, chunks);
        return chunks.map(() => undefined);
      },
      ({ turnId }) => turnId,
      stepsInFlight,
    );
  }

  /**
   * Admits a turn into its lane; undefined: it was refused, and nothing was changed.
   * @throws the unique violation of `idempotency_pkey` where a twin won the race, and
   * BatcherOverloadedError.
   */
  admit(turn: LaneAdmission): Promise<Admitted | undefined> {
    return this.#admit.submit(turn);
  }

  /** A claimed turn whose run was granted. Undefined: the claim was lost meanwhile. */
  activate(run: GrantedRun): Promise<Begun | undefined> {
    return this.#activate.submit(run);
  }

  /** What was said last in a session. */
  recent(asked: RecentOf): Promise<Recent> {
    return this.#recent.submit(asked);
  }

  /** Tells sweepers that the run lives. False: it holds the turn no more. */
  renew(held: HeldTurn): Promise<boolean> {
    return this.#renew.submit(held);
  }

  /** Stores what was told of a turn, for those who attach elsewhere or later. */
  append(chunk: ChunkOfTurn): Promise<void> {
    return this.#append.submit(chunk);
  }

  /** Stores a run's ending: step one of a commit. */
  prepare(ending: EndingOfRun): Promise<PrepareResult> {
    return this.#prepare.submit(ending);
  }

  /** Makes an ending visible: step three. Undefined: somebody did it, or the turn is another run's. */
  finish(end: EndOfTurn): Promise<Finished | undefined> {
    return this.#finish.submit(end);
  }
}

function batcherOf<In, Out>(
  run: (items: readonly In[]) => Promise<readonly Out[]>,
  keyOf: ((item: In) => string) | undefined,
  concurrency: number,
  lotOf?: (item: In) => string | undefined,
): Batcher<In, Out> {
  const { stepsPerStatement: maxBatch, stepsWaiting: maxWaiting } = LIMITS;
  const keyed = {
    ...(keyOf === undefined ? {} : { keyOf }),
    ...(lotOf === undefined ? {} : { lotOf }),
  };
  return createBatcher({
    run,
    ...keyed,
    isOutage: isUnavailable,
    maxBatch,
    maxWaiting,
    concurrency,
  });
}

function ofHeld({ held }: { readonly held: Held }): string {
  return laneOf(held);
}

function laneOf({ tenant, sessionKey }: Pick<Held, "tenant" | "sessionKey">): string {
  return laneName(tenant, sessionKey);
}
