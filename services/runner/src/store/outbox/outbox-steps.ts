import { type Batcher, createBatcher, isUnavailable } from "@lanekeeper/postgres";
import { LIMITS } from "../../limits.ts";
import { claimOutboxHeads, type Lane, type OutboxRow, removeOutbox } from "./outbox.ts";
import type { Sql } from "../sql.ts";
import { laneName } from "../../domain/lane-name.ts";

/**
 * What each reply writes on its way to delivery, in groups over all lanes: those that come while a
 * statement is in flight go together in the next.
 */
export class OutboxSteps {
  readonly #claim: Batcher<Lane, OutboxRow | undefined>;
  readonly #remove: Batcher<bigint, boolean>;

  constructor(sql: Sql) {
    const common = {
      isOutage: isUnavailable,
      maxBatch: LIMITS.outboxBatch,
      maxWaiting: LIMITS.stepsWaiting,
    };
    this.#claim = createBatcher({
      ...common,
      run: (lanes: readonly Lane[]) => claimOutboxHeads(sql, lanes, LIMITS.outboxClaimMs),
      keyOf: ({ tenant, sessionKey }) => laneName(tenant, sessionKey),
    });
    this.#remove = createBatcher({
      ...common,
      run: (ids: readonly bigint[]) => removeOutbox(sql, ids),
    });
  }

  /** What the lane has to send next; undefined: nothing now. */
  claim(lane: Lane): Promise<OutboxRow | undefined> {
    return this.#claim.submit(lane);
  }

  /** Delivery has it. Resolves to whether more of its lane waits. */
  remove(outboxId: bigint): Promise<boolean> {
    return this.#remove.submit(outboxId);
  }
}
