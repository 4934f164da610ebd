import { createContextKey } from "@connectrpc/connect";

/** Who has room for bodies. */
export interface RoomGiver {
  /** Makes room for so many bytes more. @throws RATE_LIMITED */
  take(bytes: number): void;
  release(bytes: number): void;
}

/** Under which a handler finds what to call once its request has been unpacked and parsed. */
export const UNPACKED = createContextKey<() => void>(() => undefined, {
  description: "gives back the room that was held for unpacking",
});

/** What a packed byte can become at most: https://zlib.net/zlib_tech.html */
const MOST_UNPACKED = 1_032;

const ENCODINGS = ["content-encoding", "connect-content-encoding", "grpc-encoding"] as const;

/** Whether a request's message has to be unpacked. */
export function isPacked(header: Headers): boolean {
  return ENCODINGS.some((name) => !["", "identity"].includes(header.get(name) ?? ""));
}

/** The room of one body; of a packed one, for what it may become. */
export class BodyRoom {
  readonly #giver: RoomGiver;
  readonly #unpackedMax: number | undefined;
  #bytes = 0;
  #taken = 0;

  /** @param unpackedMax bytes that a packed message may become at most; undefined: it is not packed */
  constructor(giver: RoomGiver, unpackedMax: number | undefined) {
    this.#giver = giver;
    this.#unpackedMax = unpackedMax;
  }

  /** So many bytes more were read. @throws RATE_LIMITED */
  add(bytes: number): void {
    this.#bytes += bytes;
    const max = this.#unpackedMax;
    const becomes = max === undefined ? 0 : Math.min(max, this.#bytes * MOST_UNPACKED);
    const wanted = Math.max(this.#bytes, becomes);
    this.#giver.take(wanted - this.#taken);
    this.#taken = wanted;
  }

  /** Once, however often it is called. */
  release(): void {
    const taken = this.#taken;
    this.#taken = 0;
    this.#giver.release(taken);
  }
}
