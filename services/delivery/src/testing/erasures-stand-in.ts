import { clone, create, type MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import {
  type Erasure,
  ErasureSchema,
  ErasureState,
} from "@lanekeeper/protocol/lanekeeper/identity/v1/erasure";
import type {
  ListErasuresToDoRequest,
  ReportErasureRequest,
} from "@lanekeeper/protocol/lanekeeper/identity/v1/identity_service";
import { invalid, notFound } from "@lanekeeper/rpc";
import { systemIds } from "@lanekeeper/service";

/** Erasures as session-identity lists them to delivery, and takes its word for them. */
export class ErasuresStandIn {
  readonly #all: Erasure[] = [];
  /** How often it was asked. */
  lists = 0;
  /** Ids that delivery has reported as done. */
  readonly reported: string[] = [];

  /** One that is settled, and the runner done with it, where nothing else is said. */
  add(erasure: MessageInitShape<typeof ErasureSchema>): Erasure {
    const added = create(ErasureSchema, {
      ...{ erasureId: systemIds.uuid(), tenant: "acme", state: ErasureState.REMOVING },
      ...{ settled: true, runnerTime: timestampFromMs(0) },
      ...erasure,
    });
    this.#all.push(added);
    return added;
  }

  list({ pageSize, afterErasureId }: Pick<ListErasuresToDoRequest, "pageSize" | "afterErasureId">) {
    this.lists += 1;
    const open = this.#all.filter(({ erasureId }) => !this.reported.includes(erasureId));
    const behind = open
      .filter(({ erasureId }) => erasureId > afterErasureId)
      .toSorted((a, b) => (a.erasureId < b.erasureId ? -1 : 1));
    return { erasures: behind.slice(0, pageSize).map((one) => clone(ErasureSchema, one)) };
  }

  /** @throws as session-identity refuses delivery's word */
  report({ erasureId, done }: Pick<ReportErasureRequest, "erasureId" | "done">, tenant: string) {
    const found = this.#all.find((one) => one.erasureId === erasureId && one.tenant === tenant);
    if (found === undefined) throw notFound("erasure", erasureId);
    if (!found.settled) throw invalid("done", "what was under way may still come");
    if (found.runnerTime === undefined) throw invalid("done", "the runner may still find keys");
    if (done && !this.reported.includes(erasureId)) this.reported.push(erasureId);
    return { erasure: found };
  }
}
