import { randomUUID } from "node:crypto";
import type { MessageInitShape } from "@bufbuild/protobuf";
import {
  type ErasureSchema,
  ErasureState,
} from "@lanekeeper/protocol/lanekeeper/identity/v1/erasure";
import type {
  ListErasuresToDoRequest,
  ReportErasureRequest,
} from "@lanekeeper/protocol/lanekeeper/identity/v1/identity_service";
import { Code, invalid, notFound, RpcError } from "@lanekeeper/rpc";

/** An erasure as session-identity keeps it; a test settles it, and says that somebody came back. */
export interface StoodErasure {
  readonly tenant: string;
  readonly erasureId: string;
  readonly keys: { readonly sessionKey: string; throughGeneration: bigint }[];
  settled: boolean;
  returned: boolean;
  done: boolean;
}

/** The list of erasures, as far as the runner asks for it. */
export class ErasuresStandIn {
  /** Oldest first. */
  readonly all: StoodErasure[] = [];
  /** Keys that one may have. */
  maxKeys = 10_000;
  /** It is of the release before, which knows of no erasures. */
  isOlder = false;
  /** Reports of these are refused. */
  readonly failing = new Set<string>();
  #count = 0;

  add(tenant: string, keys: StoodErasure["keys"]): StoodErasure {
    this.#count += 1;
    // Later ones have larger ids.
    const erasureId = `${this.#count.toString(16).padStart(8, "0")}${randomUUID().slice(8)}`;
    const erasure = { tenant, erasureId, keys, settled: false, returned: false, done: false };
    this.all.push(erasure);
    return erasure;
  }

  toDo({ pageSize, afterErasureId }: ListErasuresToDoRequest) {
    if (this.isOlder) throw new RpcError(Code.UNIMPLEMENTED, "no such method");
    const erasures = this.all
      .filter(({ done, erasureId }) => !done && erasureId > afterErasureId)
      .slice(0, pageSize || 50)
      .map(shown);
    return { erasures };
  }

  report(tenant: string, { erasureId, also, done }: ReportErasureRequest) {
    const erasure = this.all.find((one) => one.tenant === tenant && one.erasureId === erasureId);
    if (erasure === undefined) throw notFound("erasure", erasureId);
    if (this.failing.has(erasureId)) throw invalid("erasure_id", "is refused by the test");
    if (also.length > 1_000) throw invalid("also", "has more than 1000");
    if (done && !erasure.settled) throw invalid("done", "what was under way may still come");
    for (const { sessionKey, throughGeneration } of erasure.done ? [] : also) {
      if (throughGeneration < 1n) throw invalid("also", "has no generation");
      const known = erasure.keys.find((key) => key.sessionKey === sessionKey);
      if (known !== undefined && known.throughGeneration < throughGeneration) {
        known.throughGeneration = throughGeneration;
      }
      if (known === undefined && erasure.keys.length < this.maxKeys) {
        erasure.keys.push({ sessionKey, throughGeneration });
      }
    }
    erasure.done ||= done;
    return { erasure: shown(erasure) };
  }
}

function shown(erasure: StoodErasure): MessageInitShape<typeof ErasureSchema> {
  const { tenant, erasureId, settled, returned } = erasure;
  const keys = erasure.keys.map((key) => ({ ...key }));
  return { tenant, erasureId, keys, settled, returned, state: ErasureState.REMOVING };
}
