import { hasReason } from "@lanekeeper/rpc";

/** In the metadata of RUN_ENDED as BeginRun gives it for a run id that may have begun: RFC 3339, UTC. */
const RUN_IDS_FROM = "run_ids_from";

/**
 * Mints run ids: UUIDv7, the first 48 bits being ms since 1970 (RFC 9562). Once fences were raised
 * session-identity lets new ones of a stated time and later alone begin, which may lie ahead. Ids are then
 * minted for that time until this process's clock has come to it, so that no run waits.
 */
export class RunIds {
  readonly #uuid: () => string;
  #fromMs = 0;

  /** @param uuid gives a new UUIDv7, lower case, each time */
  constructor(uuid: () => string) {
    this.#uuid = uuid;
  }

  mint(): string {
    const id = this.#uuid();
    return mintedMs(id) < this.#fromMs ? mintedFor(id, this.#fromMs) : id;
  }

  /** Hears from what BeginRun threw from when on ids are taken. True: that told a time. */
  learn(error: unknown): boolean {
    if (!hasReason(error, "RUN_ENDED")) return false;
    const fromMs = Date.parse(error.metadata[RUN_IDS_FROM] ?? "");
    if (Number.isNaN(fromMs)) return false;
    this.#fromMs = Math.max(this.#fromMs, fromMs);
    return true;
  }
}

function mintedMs(id: string): number {
  return Number.parseInt(id.slice(0, 8) + id.slice(9, 13), 16);
}

/** The rest of the id, some 74 bits of counter and chance, makes it unique as it did before. */
function mintedFor(id: string, ms: number): string {
  const time = ms.toString(16).padStart(12, "0");
  return `${time.slice(0, 8)}-${time.slice(8)}${id.slice(13)}`;
}
